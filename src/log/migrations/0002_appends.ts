/** How groups of appends are committed, and how it is learnt afterwards whether one was. */
import { Effect } from "effect"
import { SqlClient } from "effect/sql/SqlClient"

export default Effect.gen(function*() {
  const sql = yield* SqlClient

  yield* sql`
    create type millstream.verdict as (
      stale bigint[], conflict boolean, known text, lost boolean, new_ids bigint[], clock double precision)`

  // Commits a group as most are: all heads are as promised, the streams exist and each is written. Where a key is known
  // nothing is written and null returned; where anything else is otherwise it fails as not serializable. Then the group
  // is looked at step by step, by `append_events`. A call that was sent before the one ahead of it was answered rests
  // on what that one writes: it names its batch as `p_after`, which is 0 else, and counts right behind it or not at all.
  // Known keys are looked for before the heads are locked: whoever records one moves a head, and a head that is as the
  // caller has seen it did not move since this call began.
  yield* sql`
    create function millstream.append_at_heads(
      p_writer bigint, p_batch bigint, p_after bigint, p_notice text,
      p_ids bigint[], p_heads bigint[], p_new_heads bigint[], p_updated timestamptz[],
      p_streams int[], p_offsets bigint[], p_types text[], p_payloads text[],
      p_states text[] = null, p_metadata text[] = null, p_keys text[] = null,
      p_asked_ids bigint[] = null, p_asked_keys text[] = null,
      p_cause_paths text[] = null, p_cause_offsets bigint[] = null,
      p_cause_processors text[] = null, p_cause_hops int[] = null
    ) returns double precision language plpgsql as $$
    declare
      v_notify boolean;
      v_tx bigint;
      v_position bigint;
      v_written int;
    begin
      if p_asked_keys is not null and exists (
        select from unnest(p_asked_ids, p_asked_keys) a(id, key)
        join millstream.events e on e.stream_id = a.id and e.idempotency_key = a.key
      ) then
        return null;
      end if;
      -- Whoever asks for the writer's row meanwhile waits no longer than a lock may take.
      update millstream.writers w set last_batch = p_batch
      where w.id = p_writer and greatest(w.last_batch, w.lost_batch) < p_batch
        and (p_after = 0 or w.last_batch = p_after)
      returning w.tx_base + pg_current_xact_id()::text::bigint, w.notify into v_tx, v_notify;
      -- One statement locks, verifies and writes the heads, in the order of their ids.
      if cardinality(p_ids) = 1 then
        update millstream.streams s
        set head = p_new_heads[1], tx = v_tx, state = coalesce(p_states[1], s.state), updated_at = p_updated[1]
        where s.id = p_ids[1] and s.head = p_heads[1] and s.tx <= v_tx and s.deleted_at is null;
      else
        update millstream.streams s
        set head = p.head, tx = v_tx, state = coalesce(p.state, s.state), updated_at = p.updated
        from (
          select unnest(p_ids) as id, unnest(p_heads) as seen, unnest(p_new_heads) as head,
            unnest(p_states) as state, unnest(p_updated) as updated
        ) p
        where s.id = any(p_ids) and s.id = p.id and s.head = p.seen and s.tx <= v_tx and s.deleted_at is null;
      end if;
      get diagnostics v_written = row_count;
      if v_written <> cardinality(p_ids) then
        raise serialization_failure;
      end if;
      -- One number for the call, drawn under the locks, and room behind it for the places of its events.
      v_position := nextval('millstream.positions') << 20;
      -- Sets in the select list go in step, row by row; in the from clause each would be stored first.
      insert into millstream.events (
        stream_id, "offset", position, tx, type, payload, metadata, idempotency_key,
        cause_path, cause_offset, cause_processor, cause_hops, created_at)
      select p_ids[e.stream], e."offset", v_position + e.place, v_tx, e.type, e.payload, e.metadata,
        e.key, e.cause_path, e.cause_offset, e.cause_processor, e.cause_hops, p_updated[e.stream]
      from (
        select unnest(p_streams) as stream, generate_subscripts(p_streams, 1) as place, unnest(p_offsets) as "offset",
          unnest(p_types) as type, unnest(p_payloads) as payload, unnest(p_metadata) as metadata, unnest(p_keys) as key,
          unnest(p_cause_paths) as cause_path, unnest(p_cause_offsets) as cause_offset,
          unnest(p_cause_processors) as cause_processor, unnest(p_cause_hops) as cause_hops
      ) e;
      if v_notify then
        perform pg_notify('millstream', p_notice);
      end if;
      return extract(epoch from clock_timestamp()) * 1000;
    end $$`

  // Commits any group, or writes nothing and says why: stale heads, a path that exists meanwhile, known keys, or a
  // batch that was settled as lost. Never raises for a request. The first arrays are the streams looked at, with
  // the heads they must have, those they shall have (null where nothing is written) and their new states (null where
  // the old ones stay); streams and events that are new follow; an event names its stream by its index in both lists
  // together. An empty array is null.
  yield* sql`
    create function millstream.append_events(
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
      p_notice text
    ) returns millstream.verdict language plpgsql as $$
    declare
      v_verdict millstream.verdict;
      v_new_ids bigint[];
      v_base bigint;
      v_notify boolean;
      v_tx bigint;
      v_position bigint;
      v_all_ids bigint[] := p_ids;
    begin
      v_verdict.conflict := false;
      v_verdict.lost := false;
      if p_ids is not null then
        select array_agg(p.id) filter (where l.head is distinct from p.head), max(l.tx) into v_verdict.stale, v_tx
        from unnest(p_ids, p_heads) p(id, head)
        left join (
          select s.id, s.head, s.tx from millstream.streams s where s.id = any(p_ids) order by s.id for update
        ) l on l.id = p.id;
      end if;
      if cardinality(p_absent) > 0 then
        v_verdict.conflict := exists (select from millstream.streams s where s.path = any(p_absent));
      end if;
      if v_verdict.stale is not null or v_verdict.conflict then
        return v_verdict;
      end if;
      if cardinality(p_paths) > 0 then
        with made as (
          insert into millstream.streams (path, parent, head, tx, state, created_at, updated_at)
          select p.path, p.parent, p.head, 0, p.state, p.created, p.updated
          from unnest(p_paths, p_parents, p_path_heads, p_path_states, p_path_created, p_path_updated)
            p(path, parent, head, state, created, updated)
          order by p.path
          on conflict (path) do nothing
          returning id, path
        )
        select array_agg(m.id order by p.ord) into v_new_ids
        from made m join unnest(p_paths) with ordinality p(path, ord) on p.path = m.path;
        if cardinality(v_new_ids) is distinct from cardinality(p_paths) then
          delete from millstream.streams s where s.id = any(v_new_ids);
          v_verdict.conflict := true;
        end if;
        v_all_ids := p_ids || v_new_ids;
      end if;
      if cardinality(p_asked_keys) > 0 then
        select json_agg(json_build_array(
          l.stream_id::text, l.idempotency_key, l."offset", l.type, l.payload, l.metadata, l.line))::text
        into v_verdict.known
        from unnest(p_asked_ids, p_asked_keys) a(id, key)
        join millstream.lines l on l.stream_id = a.id and l.idempotency_key = a.key;
      end if;
      if v_verdict.known is not null and not v_verdict.conflict and v_new_ids is not null then
        delete from millstream.streams s where s.id = any(v_new_ids);
      end if;
      if v_verdict.known is not null or v_verdict.conflict then
        return v_verdict;
      end if;
      if p_batch is null then
        select l.tx_base, l.notify into v_base, v_notify from millstream.log l;
      else
        update millstream.writers w set last_batch = p_batch
        where w.id = p_writer and greatest(w.last_batch, w.lost_batch) < p_batch
        returning w.tx_base, w.notify into v_base, v_notify;
        if not found then
          delete from millstream.streams s where s.id = any(v_new_ids);
          v_verdict.lost := true;
          return v_verdict;
        end if;
      end if;
      if cardinality(p_streams) > 0 then
        v_position := nextval('millstream.positions') << 20;
        v_tx := greatest(v_tx, v_base + pg_current_xact_id()::text::bigint);
        update millstream.streams s
        set head = p.head, tx = v_tx, state = coalesce(p.state, s.state), created_at = p.created,
          updated_at = p.updated, deleted_at = null
        from (
          select unnest(p_ids) as id, unnest(p_new_heads) as head, unnest(p_states) as state,
            unnest(p_created) as created, unnest(p_updated) as updated
        ) p
        where s.id = any(p_ids) and s.id = p.id and p.head is not null;
        if v_new_ids is not null then
          update millstream.streams s set tx = v_tx where s.id = any(v_new_ids);
        end if;
        insert into millstream.events (
          stream_id, "offset", position, tx, type, payload, metadata, idempotency_key,
          cause_path, cause_offset, cause_processor, cause_hops, created_at)
        select v_all_ids[e.stream], e."offset", v_position + e.place, v_tx, e.type, e.payload, e.metadata,
          e.key, e.cause_path, e.cause_offset, e.cause_processor, e.cause_hops, e.at
        from (
          select unnest(p_streams) as stream, generate_subscripts(p_streams, 1) as place, unnest(p_offsets) as "offset",
            unnest(p_types) as type, unnest(p_payloads) as payload, unnest(p_metadata) as metadata,
            unnest(p_keys) as key,
            unnest(p_cause_paths) as cause_path, unnest(p_cause_offsets) as cause_offset,
            unnest(p_cause_processors) as cause_processor, unnest(p_cause_hops) as cause_hops, unnest(p_times) as at
        ) e;
        if v_notify then
          perform pg_notify('millstream', p_notice);
        end if;
      end if;
      v_verdict.new_ids := v_new_ids;
      v_verdict.clock := extract(epoch from clock_timestamp()) * 1000;
      return v_verdict;
    end $$`

  // Whether a batch was committed; if not, it never will be.
  yield* sql`
    create function millstream.settle(p_writer bigint, p_batch bigint) returns boolean language plpgsql as $$
    declare
      v_last bigint;
    begin
      select w.last_batch into v_last from millstream.writers w where w.id = p_writer for update;
      if v_last >= p_batch then
        return true;
      end if;
      -- What was settled once stays so, whatever is asked late.
      update millstream.writers w set lost_batch = greatest(w.lost_batch, p_batch) where w.id = p_writer;
      return false;
    end $$`
})
