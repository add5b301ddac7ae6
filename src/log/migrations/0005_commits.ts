/** How what a processor did is written: events, instances and the cursors of fibers together, under its lease. */
import { Effect } from "effect"
import { SqlClient } from "effect/sql/SqlClient"

export default Effect.gen(function*() {
  const sql = yield* SqlClient

  // Writes instances in the revision that they must have, their snapshots and the cursors of their fibers. Returns by
  // index those that had to exist and do not, those that have changed, and those that must exist and would have too many
  // cursors: then the caller takes all of it back. A table without statistics must not be joined by reading all of it.
  yield* sql`
    create function millstream.write_instances(
      p_asserted bigint[], p_asserted_processors text[],
      p_lives bigint[], p_processors text[], p_revisions bigint[], p_versions int[], p_done bigint[],
      p_instance_states text[], p_fibers text[], p_busy boolean[], p_parked bigint[], p_errors text[], p_kept boolean[],
      p_cursor_lives bigint[], p_cursor_processors text[], p_cursor_names text[], p_cursor_values text[],
      p_most_cursors bigint,
      out gone int[], out changed int[], out crowded int[]
    ) language plpgsql set enable_hashjoin = off set enable_mergejoin = off as $$
    declare
      v_grown bigint[];
    begin
      if p_asserted is not null then
        perform from millstream.instances i
        where i.stream_id = any(p_asserted) and i.processor = any(p_asserted_processors)
        order by i.stream_id, i.processor for key share;
        select array_agg(p.place) into gone
        from (
          select unnest(p_asserted) as life, unnest(p_asserted_processors) as processor,
            generate_subscripts(p_asserted, 1) as place
        ) p
        where not exists (
          select from millstream.instances i where i.stream_id = p.life and i.processor = p.processor
        );
      end if;
      if p_lives is not null then
        with written as (
          update millstream.instances i
          set revision = i.revision + 1, version = p.version, "offset" = p.done, state = p.state, fibers = p.fibers,
            busy = p.busy, parked_offset = p.parked, parked_error = p.error,
            -- Where a state is folded anew, what hooks have done stays done.
            hooks_after = case when p.done < i."offset" then greatest(i.hooks_after, i."offset") else i.hooks_after end
          from (
            select unnest(p_lives) as life, unnest(p_processors) as processor, unnest(p_revisions) as revision,
              unnest(p_versions) as version, unnest(p_done) as done, unnest(p_instance_states) as state,
              unnest(p_fibers) as fibers, unnest(p_busy) as busy, unnest(p_parked) as parked, unnest(p_errors) as error,
              generate_subscripts(p_lives, 1) as place
          ) p
          where i.stream_id = p.life and i.processor = p.processor and i.revision = p.revision
          returning p.place
        )
        select array_agg(p.place) into changed from generate_subscripts(p_lives, 1) p(place)
        where p.place not in (select w.place from written w);
        if true = any(p_kept) then
          insert into millstream.snapshots as s (stream_id, processor, version, "offset", state, fibers)
          select p.life, p.processor, p.version, p.done, p.state, p.fibers
          from unnest(p_lives, p_processors, p_versions, p_done, p_instance_states, p_fibers, p_kept)
            p(life, processor, version, done, state, fibers, kept)
          where p.kept and p.state is not null
          on conflict (stream_id, processor, version, "offset") do update
          set state = excluded.state, fibers = excluded.fibers;
        end if;
      end if;
      if p_cursor_lives is not null then
        with moved as (
          insert into millstream.fiber_cursors as c (stream_id, processor, name, value)
          select p.life, p.processor, p.name, p.value
          from unnest(p_cursor_lives, p_cursor_processors, p_cursor_names, p_cursor_values) p(life, processor, name, value)
          on conflict (stream_id, processor, name) do update set value = excluded.value
          -- Where it is new there was no row to lock.
          returning c.stream_id, c.xmax = 0 as is_new
        )
        select array_agg(m.stream_id) filter (where m.is_new) into v_grown from moved m;
        if v_grown is not null then
          select array_agg(p.place) into crowded
          from (
            select unnest(p_asserted) as life, unnest(p_asserted_processors) as processor,
              generate_subscripts(p_asserted, 1) as place
          ) p
          where p.life = any(v_grown) and p_most_cursors < (
            select count(*) from millstream.fiber_cursors c where c.stream_id = p.life and c.processor = p.processor
          );
        end if;
      end if;
    end $$`

  // Leases, by index, that are not held in their epoch any more. Those that are stay so until the transaction ends.
  yield* sql`
    create function millstream.lapsed_leases(p_leases text[], p_epochs bigint[]) returns int[] language plpgsql as $$
    begin
      return (
        select array_agg(p.place)
        from (select unnest(p_leases) as name, unnest(p_epochs) as epoch, generate_subscripts(p_leases, 1) as place) p
        left join (
          select s.name, s.epoch from millstream.processors s where s.name = any(p_leases) order by s.name for key share
        ) l on l.name = p.name and l.epoch = p.epoch
        where l.name is null
      );
    end $$`

  // Commits a group of which some is what owners of processors did, as most such groups are: `append_at_heads`, and the
  // leases that it rests on are held, and what is written of instances is as it must be. The last parameters are those
  // of `commit_events`, which looks step by step where this returns null or fails.
  yield* sql`
    create function millstream.commit_at_heads(
      p_writer bigint, p_batch bigint, p_after bigint, p_notice text,
      p_ids bigint[], p_heads bigint[], p_new_heads bigint[], p_updated timestamptz[],
      p_streams int[], p_offsets bigint[], p_types text[], p_payloads text[],
      p_states text[], p_metadata text[], p_keys text[],
      p_asked_ids bigint[], p_asked_keys text[],
      p_cause_paths text[], p_cause_offsets bigint[], p_cause_processors text[], p_cause_hops int[],
      p_leases text[], p_epochs bigint[],
      p_asserted bigint[], p_asserted_processors text[],
      p_lives bigint[], p_processors text[], p_revisions bigint[], p_versions int[], p_done bigint[],
      p_instance_states text[], p_fibers text[], p_busy boolean[], p_parked bigint[], p_errors text[], p_kept boolean[],
      p_cursor_lives bigint[], p_cursor_processors text[], p_cursor_names text[], p_cursor_values text[],
      p_most_cursors bigint
    ) returns double precision language plpgsql as $$
    declare
      v_clock double precision;
      v_lapsed int[];
      v_gone int[];
      v_changed int[];
      v_crowded int[];
    begin
      v_clock := millstream.append_at_heads(
        p_writer, p_batch, p_after, p_notice, p_ids, p_heads, p_new_heads, p_updated, p_streams, p_offsets, p_types,
        p_payloads, p_states, p_metadata, p_keys, p_asked_ids, p_asked_keys, p_cause_paths, p_cause_offsets,
        p_cause_processors, p_cause_hops);
      if v_clock is null then
        return null;
      end if;
      v_lapsed := millstream.lapsed_leases(p_leases, p_epochs);
      select w.gone, w.changed, w.crowded into v_gone, v_changed, v_crowded from millstream.write_instances(
        p_asserted, p_asserted_processors, p_lives, p_processors, p_revisions, p_versions, p_done, p_instance_states,
        p_fibers, p_busy, p_parked, p_errors, p_kept, p_cursor_lives, p_cursor_processors, p_cursor_names,
        p_cursor_values, p_most_cursors) w;
      -- Told apart from heads that are not as promised: those say that another server writes the same streams.
      if coalesce(v_lapsed, v_gone, v_changed, v_crowded) is not null then
        raise integrity_constraint_violation;
      end if;
      return v_clock;
    end $$`

  // Commits any such group: `append_events`, the leases that it rests on, and
  // what is written of instances, or nothing of all that. The last arrays are leases, instances that must exist,
  // instances that are written, in this revision, and fibers' cursors. Returns what is not as it must be by index:
  // leases that have lapsed, instances that are gone, have changed or would have more cursors than they may.
  yield* sql`
    create function millstream.commit_events(
      p_writer bigint, p_batch bigint,
      p_ids bigint[], p_heads bigint[], p_new_heads bigint[], p_states text[],
      p_created timestamptz[], p_updated timestamptz[],
      p_absent text[],
      p_paths text[], p_parents text[], p_path_heads bigint[], p_path_states text[],
      p_path_created timestamptz[], p_path_updated timestamptz[],
      p_streams int[], p_offsets bigint[], p_types text[], p_payloads text[], p_metadata text[], p_keys text[],
      p_cause_paths text[], p_cause_offsets bigint[], p_cause_processors text[], p_cause_hops int[],
      p_times timestamptz[],
      p_asked_ids bigint[], p_asked_keys text[],
      p_notice text,
      p_leases text[], p_epochs bigint[],
      p_asserted bigint[], p_asserted_processors text[],
      p_lives bigint[], p_processors text[], p_revisions bigint[], p_versions int[], p_done bigint[],
      p_instance_states text[], p_fibers text[], p_busy boolean[], p_parked bigint[], p_errors text[], p_kept boolean[],
      p_cursor_lives bigint[], p_cursor_processors text[], p_cursor_names text[], p_cursor_values text[],
      p_most_cursors bigint,
      out stale bigint[], out conflict boolean, out known text, out lost boolean, out new_ids bigint[],
      out clock double precision, out lapsed int[], out gone int[], out changed int[], out crowded int[]
    ) language plpgsql as $$
    declare
      v_verdict millstream.verdict;
    begin
      begin
        v_verdict := millstream.append_events(
          p_writer, p_batch, p_ids, p_heads, p_new_heads, p_states, p_created, p_updated, p_absent, p_paths, p_parents,
          p_path_heads, p_path_states, p_path_created, p_path_updated, p_streams, p_offsets, p_types, p_payloads,
          p_metadata, p_keys, p_cause_paths, p_cause_offsets, p_cause_processors, p_cause_hops, p_times,
          p_asked_ids, p_asked_keys, p_notice);
        -- It tells the time only where it wrote.
        if v_verdict.clock is not null then
          lapsed := millstream.lapsed_leases(p_leases, p_epochs);
          select w.gone, w.changed, w.crowded into gone, changed, crowded from millstream.write_instances(
            p_asserted, p_asserted_processors, p_lives, p_processors, p_revisions, p_versions, p_done, p_instance_states,
            p_fibers, p_busy, p_parked, p_errors, p_kept, p_cursor_lives, p_cursor_processors, p_cursor_names,
            p_cursor_values, p_most_cursors) w;
          if coalesce(lapsed, gone, changed, crowded) is not null then
            raise exception using errcode = 'MS002';
          end if;
        end if;
      exception when sqlstate 'MS002' then
        v_verdict := null;
      end;
      stale := v_verdict.stale;
      conflict := coalesce(v_verdict.conflict, false);
      known := v_verdict.known;
      lost := coalesce(v_verdict.lost, false);
      new_ids := v_verdict.new_ids;
      clock := v_verdict.clock;
    end $$`
})
