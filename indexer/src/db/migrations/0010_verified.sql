-- What was read again from the disk and hashed, when, and what was found damaged; what compaction needs.
--
-- Verification stands in no pack: what is missing here is looked at again, so that nothing has to be replayed.

-- Passes over whole packs, by name, to outlive a rebuild. at_ms: when the last one ended, 0 for never; bytes, damaged:
-- what it read and found. place, found: where the one under way goes on, and what it found so far.
CREATE TABLE verified_pack (
    name TEXT PRIMARY KEY,
    at_ms INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    damaged INTEGER NOT NULL DEFAULT 0,
    place INTEGER NOT NULL DEFAULT 0,
    found INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- One row while a run over all packs that somebody asked for has not ended: when it was begun.
CREATE TABLE verified_run (
    one INTEGER PRIMARY KEY,
    begun_ms INTEGER NOT NULL
) STRICT;

-- Packs with records or bulk values of a series, as its last verification met them.
CREATE TABLE series_pack (
    pack_id INTEGER NOT NULL REFERENCES pack (id),
    series_row INTEGER NOT NULL REFERENCES series (id),
    PRIMARY KEY (pack_id, series_row)
) STRICT, WITHOUT ROWID;
CREATE INDEX series_pack_of ON series_pack (series_row);

-- Stretches of packs that are not what was written, bulk values among them. kind: as in record headers, 0 where the
-- header is damaged too. what: in words. repaired: 1 once what stood there is whole elsewhere.
CREATE TABLE damaged_record (
    pack_id INTEGER NOT NULL REFERENCES pack (id),
    record_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    what TEXT NOT NULL,
    repaired INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (pack_id, record_at)
) STRICT, WITHOUT ROWID;

-- A series waits to be verified while generation is greater than verified_generation.
ALTER TABLE series ADD COLUMN verified_generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE series ADD COLUMN verified_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE series ADD COLUMN verified_damaged INTEGER NOT NULL DEFAULT 0;
CREATE INDEX series_to_verify ON series (changed_ms) WHERE generation > verified_generation AND n_instances > 0;

-- damaged: its record is not what was written. condemned: compaction is about to remove it, so that an arrival must
-- not count on it.
ALTER TABLE instance ADD COLUMN damaged INTEGER NOT NULL DEFAULT 0;
ALTER TABLE instance ADD COLUMN condemned INTEGER NOT NULL DEFAULT 0;
ALTER TABLE bulk_location ADD COLUMN condemned INTEGER NOT NULL DEFAULT 0;

-- removed: compaction moved elsewhere what is to stay of it. The row stays, so that its number names no other pack.
ALTER TABLE pack ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;

-- Instances whose bytes were removed, by the statement that says so.
CREATE TABLE removed (
    digest BLOB NOT NULL,
    subject_row INTEGER NOT NULL REFERENCES subject (id),
    PRIMARY KEY (digest, subject_row)
) STRICT, WITHOUT ROWID;
CREATE INDEX instance_condemned ON instance (id) WHERE condemned <> 0;
CREATE INDEX bulk_location_condemned ON bulk_location (pack_id, record_at) WHERE condemned <> 0;
