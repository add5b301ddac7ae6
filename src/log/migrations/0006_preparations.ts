/** How states are kept of a version that is folded beside the running one, and swept where they are of no more use. */
import { Effect } from "effect"
import { SqlClient } from "effect/sql/SqlClient"

export default Effect.gen(function*() {
  const sql = yield* SqlClient

  // Says that a version is being prepared, but not of the registered one; of them so many are remembered.
  yield* sql`
    create function millstream.prepare_version(p_name text, p_version int, p_left int, p_most int) returns void
    language plpgsql as $$
    begin
      insert into millstream.preparations as r (processor, version, remaining, seen)
      select p.name, p_version, p_left, clock_timestamp() from millstream.processors p
      where p.name = p_name and p.version <> p_version
      on conflict (processor, version) do update
      set remaining = coalesce(excluded.remaining, r.remaining), seen = excluded.seen;
      delete from millstream.preparations r
      where r.processor = p_name and r.version in (
        select o.version from millstream.preparations o where o.processor = p_name
        order by o.seen desc, o.version offset p_most
      );
    end $$`

  // Keeps a state of an instance that is there and has come so far, but not of the registered version; of those within
  // so many events the last one counts. A delete takes the instance away, and the sweeper of deleted streams what came
  // in between.
  yield* sql`
    create function millstream.keep_snapshot(
      p_name text, p_version int, p_life bigint, p_offset bigint, p_state text, p_fibers text, p_every bigint
    ) returns boolean language plpgsql as $$
    begin
      perform from millstream.instances i join millstream.processors p on p.name = i.processor
      where i.stream_id = p_life and i.processor = p_name and i."offset" >= p_offset and p.version <> p_version
      for key share of i;
      if not found then
        return false;
      end if;
      insert into millstream.snapshots as s (stream_id, processor, version, "offset", state, fibers)
      values (p_life, p_name, p_version, p_offset, p_state, p_fibers)
      on conflict (stream_id, processor, version, "offset") do update
      set state = excluded.state, fibers = excluded.fibers;
      delete from millstream.snapshots s
      where s.stream_id = p_life and s.processor = p_name and s.version = p_version
        and s."offset" < p_offset and s."offset" >= p_offset / p_every * p_every;
      return true;
    end $$`

  // Deletes some of the states of versions that are neither registered nor were being prepared within the time; how
  // many. Each version that there is costs one look.
  yield* sql`
    create function millstream.sweep_snapshots(p_seconds double precision, p_limit int) returns int
    language plpgsql set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off as $$
    declare
      v_version record;
      v_swept int;
    begin
      delete from millstream.preparations r where r.seen < clock_timestamp() - p_seconds * interval '1 second';
      for v_version in
        with recursive kept as (
          (select s.processor, s.version from millstream.snapshots s order by s.processor, s.version limit 1)
          union all
          select n.processor, n.version from kept k cross join lateral (
            select s.processor, s.version from millstream.snapshots s
            where (s.processor, s.version) > (k.processor, k.version) order by s.processor, s.version limit 1
          ) n
        )
        select k.processor, k.version from kept k
        where not exists (
          select from millstream.processors p where p.name = k.processor and p.version = k.version
        ) and not exists (
          select from millstream.preparations r where r.processor = k.processor and r.version = k.version
        )
      loop
        delete from millstream.snapshots s where s.ctid = any(array(
          select d.ctid from millstream.snapshots d
          where d.processor = v_version.processor and d.version = v_version.version limit p_limit
        ));
        get diagnostics v_swept = row_count;
        if v_swept > 0 then
          return v_swept;
        end if;
      end loop;
      return 0;
    end $$`
})
