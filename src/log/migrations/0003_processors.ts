/** What processors have done: their registrations, cursors over the log, and how far their instances have come. */
import { Effect } from "effect"
import { SqlClient } from "effect/sql/SqlClient"

export default Effect.gen(function*() {
  const sql = yield* SqlClient

  // A processor, its cursor in the order across streams, and who acts for it. The cursor has passed an event only if it
  // is not consumed, or noted at its instance. A commit locks the row for key share: that does not wait for a renewal
  // or a move of the cursor, which change no key, and a takeover, which locks it for update, waits for such commits.
  yield* sql`
    create table millstream.processors (
      name text collate "C" primary key,
      version int not null,
      consumes text[] not null,
      emits text[] not null,
      streams text not null,
      expression text not null,
      start_from text not null,
      -- Which of its patterns this is.
      coverage int not null,
      tx bigint not null,
      position bigint not null,
      epoch bigint not null default 0,
      owner text,
      -- The server that the owner is part of; none where it is elsewhere.
      server text,
      until timestamptz
    ) with (fillfactor = 50)`

  // The patterns of a processor in their order, and from where on in the order across streams each counted: up to
  // where the next one begins.
  yield* sql`
    create table millstream.coverage (
      processor text collate "C" not null,
      coverage int not null,
      expression text not null,
      tx bigint not null,
      position bigint not null,
      primary key (processor, coverage)
    )`

  // From where on in the order across streams those types count that a processor consumes since a later registration:
  // `*` stands for all that are not here. Empty where none was ever added.
  yield* sql`
    create table millstream.added_types (
      processor text collate "C" not null,
      type text collate "C" not null,
      tx bigint not null,
      position bigint not null,
      primary key (processor, type)
    )`

  // A processor at work on one life of a stream. Up to "offset" all is folded and done; "noted" is the last consumed
  // event that the cursor has passed. The path is that of the stream, for lists in its order; the error is JSON.
  yield* sql`
    create table millstream.instances (
      stream_id bigint not null,
      processor text collate "C" not null,
      path text collate "C" not null,
      revision bigint not null default 0,
      version int not null,
      "offset" bigint not null,
      noted bigint not null,
      hooks_after bigint not null,
      -- The pattern that this was judged by last.
      coverage int not null default 0,
      state text,
      fibers text,
      busy boolean not null default false,
      parked_offset bigint,
      parked_error text,
      skipped bigint[] not null default '{}',
      undone boolean not null generated always as
        (parked_offset is null and (noted > "offset" or busy or state is null)) stored,
      primary key (stream_id, processor)
    ) with (fillfactor = 50)`
  // Only for lists, which say that the path is not empty: a look for one instance must not read all of its processor's.
  yield* sql`create index instances_path on millstream.instances (processor, path) where path <> ''`
  yield* sql`
    create index instances_version on millstream.instances (processor, version, path)
    where path <> '' and parked_offset is null`
  yield* sql`create index instances_undone on millstream.instances (processor, path) where undone`

  // The name is the JSON of kind and key, which may hold what a text of Postgres can not.
  yield* sql`
    create table millstream.fiber_cursors (
      stream_id bigint not null,
      processor text collate "C" not null,
      name text collate "C" not null,
      value text not null,
      primary key (stream_id, processor, name)
    )`

  // States that are kept, with what they ask for: for time travel, and of versions that are being prepared.
  yield* sql`
    create table millstream.snapshots (
      stream_id bigint not null,
      processor text collate "C" not null,
      version int not null,
      "offset" bigint not null,
      state text not null,
      fibers text not null default '[]',
      primary key (stream_id, processor, version, "offset")
    )`
  // Which versions there are of a processor: those of no use any more are swept.
  yield* sql`create index snapshots_version on millstream.snapshots (processor, version)`

  // Versions that are folded beside the registered one, when that was said last, and how many instances were left.
  yield* sql`
    create table millstream.preparations (
      processor text collate "C" not null,
      version int not null,
      -- None until they were counted.
      remaining int,
      seen timestamptz not null,
      primary key (processor, version)
    )`

  // Behind which event hooks begin for added types, where some of the stream that is not done lies before; else null.
  yield* sql`
    create function millstream.types_of(p_instance millstream.instances) returns json language plpgsql stable as $$
    begin
      return (
        select json_agg(json_build_object('type', t.type, 'hooksAfter', t.hooks_after) order by t.type)
        from (
          select a.type, millstream.offset_at(p_instance.stream_id, a.tx, a.position) as hooks_after
          from millstream.added_types a where a.processor = p_instance.processor
        ) t
        having max(t.hooks_after) > greatest(p_instance.hooks_after, p_instance."offset")
      );
    end $$`

  // An instance of a stream that exists, with all that is known of it.
  yield* sql`
    create view millstream.instance_rows as
    select i.processor, i.path, i.stream_id, i.revision, i.version, i."offset", i.hooks_after, i.state, i.fibers, i.busy,
      i.parked_offset, i.parked_error, i.skipped, i.undone, s.head,
      case when i."offset" < s.head
        and exists (select from millstream.added_types a where a.processor = i.processor)
        then millstream.types_of(i) end as added_types,
      (
        select json_agg(json_build_array(c.name, c.value) order by c.name)::text
        from millstream.fiber_cursors c where c.stream_id = i.stream_id and c.processor = i.processor
      ) as cursors
    from millstream.instances i join millstream.streams s on s.id = i.stream_id`
})
