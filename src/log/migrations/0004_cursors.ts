/** Who acts for a processor, and how its cursor moves over the log and notes what it meets at instances. */
import { Effect } from "effect"
import { SqlClient } from "effect/sql/SqlClient"

export default Effect.gen(function*() {
  const sql = yield* SqlClient

  // Makes a processor known. What it counts from is the end of the log as it is now, or its beginning: transactions
  // that begin later have greater numbers. So do types that it did not consume before, wherever its cursor is. Of its
  // patterns the last 100 are remembered.
  yield* sql`
    create function millstream.register_processor(
      p_name text, p_version int, p_consumes text[], p_emits text[], p_streams text, p_expression text, p_start_from text
    ) returns void language plpgsql as $$
    declare
      v_now bigint;
      v_end bigint := 9223372036854775807;
      v_is_new boolean;
      v_before int;
      v_consumed text[];
      v_coverage int;
    begin
      select l.tx_base + pg_current_xact_id()::text::bigint into v_now from millstream.log l;
      insert into millstream.processors
        (name, version, consumes, emits, streams, expression, start_from, coverage, tx, position)
      values (p_name, p_version, p_consumes, p_emits, p_streams, p_expression, p_start_from, 1,
        case p_start_from when 'start' then 0 else v_now end, case p_start_from when 'start' then 0 else v_end end)
      on conflict (name) do nothing;
      v_is_new := found;
      select p.coverage, p.consumes into v_before, v_consumed from millstream.processors p
      where p.name = p_name for no key update;
      -- Another definition ends the lease: the cursor moves over what its owner consumes, and nobody else.
      update millstream.processors p
      set epoch = p.epoch + 1, owner = null, until = null
      where p.name = p_name and (p.version, p.consumes, p.expression) is distinct from (p_version, p_consumes, p_expression);
      update millstream.processors p
      set version = p_version, consumes = p_consumes, emits = p_emits, streams = p_streams, expression = p_expression,
        coverage = p.coverage + (p.expression <> p_expression)::int
      where p.name = p_name returning p.coverage into v_coverage;
      delete from millstream.preparations r where r.processor = p_name and r.version = p_version;
      if v_is_new then
        insert into millstream.coverage (processor, coverage, expression, tx, position)
        select p.name, p.coverage, p.expression, p.tx, p.position from millstream.processors p where p.name = p_name;
      elsif v_coverage > v_before then
        insert into millstream.coverage (processor, coverage, expression, tx, position)
        values (p_name, v_coverage, p_expression, v_now, v_end);
        delete from millstream.coverage c where c.processor = p_name and c.coverage <= v_coverage - 100;
      end if;
      if v_consumed <> p_consumes then
        -- Beside a star those are named that count from earlier on.
        if '*' = any(p_consumes) and not '*' = any(v_consumed) then
          insert into millstream.added_types (processor, type, tx, position)
          select p_name, c.type, 0, 0 from unnest(v_consumed) c(type)
          on conflict (processor, type) do nothing;
        end if;
        -- What a star stood for was consumed, and counts as that did.
        insert into millstream.added_types (processor, type, tx, position)
        select p_name, c.type, coalesce(a.tx, v_now), coalesce(a.position, v_end)
        from unnest(p_consumes) c(type)
        left join millstream.added_types a on a.processor = p_name and a.type = '*'
        where not c.type = any(v_consumed) and (a.type is not null or not '*' = any(v_consumed))
        on conflict (processor, type) do nothing;
        delete from millstream.added_types a
        where a.processor = p_name and not '*' = any(p_consumes) and not a.type = any(p_consumes);
      end if;
    end $$`

  // Whether somebody holds the lease: until it has run out, or the server that the owner was part of is gone, whose
  // session held a lock.
  yield* sql`
    create function millstream.is_held(p_processor millstream.processors) returns boolean language sql as $$
      select p_processor.owner is not null and p_processor.until > clock_timestamp() and (
        p_processor.server is null or not pg_try_advisory_xact_lock(hashtextextended(p_processor.server, 0)))
    $$`

  // Takes or renews the lease; its epoch, or null where another owner holds it, or another version is registered.
  yield* sql`
    create function millstream.claim(
      p_name text, p_owner text, p_version int, p_server text, p_millis double precision
    ) returns bigint language plpgsql as $$
    declare
      v_processor millstream.processors;
      v_until timestamptz := clock_timestamp() + p_millis * interval '1 millisecond';
    begin
      update millstream.processors p set until = v_until
      where p.name = p_name and p.owner = p_owner and p.version = coalesce(p_version, p.version)
      returning p.* into v_processor;
      if found then
        return v_processor.epoch;
      end if;
      -- Looked at without a lock first: who waits for his turn holds up nobody.
      select * into v_processor from millstream.processors p where p.name = p_name;
      if not found or v_processor.version <> p_version or millstream.is_held(v_processor) then
        return null;
      end if;
      -- Waits for the commits of the epoch before.
      select * into v_processor from millstream.processors p where p.name = p_name for update;
      if v_processor.version <> p_version or millstream.is_held(v_processor) then
        return null;
      end if;
      update millstream.processors p
      set owner = p_owner, server = p_server, epoch = v_processor.epoch + 1, until = clock_timestamp() + p_millis * interval '1 millisecond'
      where p.name = p_name;
      return v_processor.epoch + 1;
    end $$`

  // Offset up to which an instance runs no hooks: the stream's last event before the first of those patterns that have
  // covered it without a gap up to now. Null where the present one does not.
  yield* sql`
    create function millstream.hooks_after(p_processor text, p_stream bigint, p_path text, p_born bigint) returns bigint
    language sql stable as $$
      select greatest(p_born, millstream.offset_at(p_stream, c.tx, c.position)) from millstream.coverage c
      where c.processor = p_processor and c.coverage > coalesce(
        (select max(u.coverage) from millstream.coverage u where u.processor = p_processor and not p_path ~ u.expression),
        0)
      order by c.coverage limit 1
    $$`

  // Moves the cursor of a processor and notes what it consumes at its instances; the paths are those of instances that
  // have something to do. Nothing happens where the lease is not held any more.
  yield* sql`
    create function millstream.advance(
      p_name text, p_epoch bigint, p_limit int, out held boolean, out paths text[], out more boolean
    ) language plpgsql
    set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
    declare
      v_processor millstream.processors;
      v_horizon bigint;
      v_lives bigint[];
      v_noted bigint[];
      v_met record;
      v_undone boolean;
    begin
      paths := '{}';
      more := false;
      select * into v_processor from millstream.processors p where p.name = p_name and p.epoch = p_epoch;
      held := found;
      -- Read before this transaction has a number of its own, which would be the horizon.
      select l.tx_base + pg_snapshot_xmin(pg_current_snapshot())::text::bigint into v_horizon from millstream.log l;
      if not held or not exists (
        select from millstream.walk_consumed(v_processor.consumes, v_processor.tx, v_processor.position, v_horizon, 1)
      ) then
        return;
      end if;
      select * into v_processor from millstream.processors p
      where p.name = p_name and p.epoch = p_epoch for no key update;
      held := found;
      if not held then
        return;
      end if;
      with walked as materialized (
        select * from millstream.walk_consumed(
          v_processor.consumes, v_processor.tx, v_processor.position, v_horizon, p_limit)
      ),
      grown as (
        select w.stream_id, max(w."offset") as noted from walked w
        where '*' = any(v_processor.consumes) or w.type = any(v_processor.consumes)
        group by w.stream_id
      ),
      last as (select w.tx, w."position" from walked w order by w.tx desc, w."position" desc limit 1),
      moved as (
        update millstream.processors p set tx = l.tx, position = l."position" from last l where p.name = p_name
      )
      select array_agg(g.stream_id), array_agg(g.noted), (select count(*) from walked) = p_limit
      into v_lives, v_noted, more from grown g;
      -- New ones first, since streams are locked before instances.
      for v_met in
        select g.stream_id, g.noted, s.path, s.born, i.stream_id is null as is_new,
          case when i.coverage = v_processor.coverage then i.hooks_after
            else millstream.hooks_after(p_name, g.stream_id, s.path, s.born) end as hooks_after
        from (select unnest(v_lives) as stream_id, unnest(v_noted) as noted) g
        cross join lateral (select s.path, s.born from millstream.streams s where s.id = g.stream_id offset 0) s
        left join lateral (
          select i.stream_id, i.coverage, i.hooks_after from millstream.instances i
          where i.stream_id = g.stream_id and i.processor = p_name offset 0
        ) i on true
        where s.path ~ v_processor.expression
        order by is_new desc, g.stream_id
      loop
        if v_met.is_new then
          -- A delete, which gives the stream another id, waits for this, and then sees the row; after it there is none.
          perform from millstream.streams s where s.id = v_met.stream_id for key share;
          continue when not found;
          insert into millstream.instances as i (stream_id, processor, path, version, "offset", noted, hooks_after, coverage)
          values (v_met.stream_id, p_name, v_met.path, v_processor.version, v_met.born, v_met.noted, v_met.hooks_after,
            v_processor.coverage)
          on conflict (stream_id, processor) do update set noted = greatest(i.noted, excluded.noted)
          returning i.undone into v_undone;
        else
          update millstream.instances i
          set noted = greatest(i.noted, v_met.noted), hooks_after = greatest(i.hooks_after, v_met.hooks_after),
            coverage = v_processor.coverage
          where i.stream_id = v_met.stream_id and i.processor = p_name
          returning i.undone into v_undone;
        end if;
        if v_undone then
          paths := paths || v_met.path;
        end if;
      end loop;
    end $$`

  // Makes the instance of a processor on a stream that exists, where there is none; a life only where there is one then.
  yield* sql`
    create function millstream.open_instance(p_name text, p_epoch bigint, p_path text, out held boolean, out life bigint)
    language plpgsql as $$
    declare
      v_processor millstream.processors;
      v_stream millstream.streams;
      v_coverage int;
    begin
      select * into v_processor from millstream.processors p where p.name = p_name and p.epoch = p_epoch;
      held := found;
      if not held or not p_path ~ v_processor.expression then
        return;
      end if;
      select * into v_stream from millstream.streams s where s.path = p_path and s.deleted_at is null;
      if not found then
        return;
      end if;
      select i.coverage into v_coverage from millstream.instances i
      where i.stream_id = v_stream.id and i.processor = p_name;
      if found then
        if v_coverage <> v_processor.coverage then
          update millstream.instances i
          set hooks_after = greatest(i.hooks_after, millstream.hooks_after(p_name, i.stream_id, p_path, v_stream.born)),
            coverage = v_processor.coverage
          where i.stream_id = v_stream.id and i.processor = p_name;
        end if;
        life := v_stream.id;
        return;
      end if;
      -- A delete, which gives the stream another id, waits for this, and then sees the row.
      perform from millstream.streams s where s.id = v_stream.id for key share;
      if not found then
        return;
      end if;
      insert into millstream.instances (stream_id, processor, path, version, "offset", noted, hooks_after, coverage)
      values (v_stream.id, p_name, p_path, v_processor.version, v_stream.born, v_stream.born,
        millstream.hooks_after(p_name, v_stream.id, p_path, v_stream.born), v_processor.coverage)
      on conflict (stream_id, processor) do nothing;
      life := v_stream.id;
    end $$`

  // Streams that the pattern covers whose instances have something to do, or are of another version than the registered.
  // Each version that there is costs one look, so that nothing but what is found is read: but for what an earlier
  // pattern covered and this one does not.
  yield* sql`
    create function millstream.undone(p_name text, p_after text, p_limit int) returns setof text
    language plpgsql stable
    set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off
    set enable_hashjoin = off set enable_mergejoin = off as $$
    declare
      v_processor millstream.processors;
    begin
      select * into v_processor from millstream.processors p where p.name = p_name;
      return query
      with recursive versions (version) as (
        (
          select i.version from millstream.instances i
          where i.processor = p_name and i.path <> '' and i.parked_offset is null order by i.version limit 1
        )
        union all
        select (
          select i.version from millstream.instances i
          where i.processor = p_name and i.version > v.version and i.path <> '' and i.parked_offset is null
          order by i.version limit 1
        )
        from versions v where v.version is not null
      )
      select u.path from (
        (
          select i.path from millstream.instances i
          where i.processor = p_name and i.path > p_after and i.undone and i.path ~ v_processor.expression
            and exists (select from millstream.streams s where s.id = i.stream_id)
          order by i.path limit p_limit
        )
        union
        select i.path from versions v
        cross join lateral (
          select i.path from millstream.instances i
          where i.processor = p_name and i.version = v.version and i.path > p_after and i.path <> ''
            and i.parked_offset is null and i.path ~ v_processor.expression
            and exists (select from millstream.streams s where s.id = i.stream_id)
          order by i.path limit p_limit
        ) i
        where v.version <> v_processor.version
      ) u
      order by u.path limit p_limit;
    end $$`
})
