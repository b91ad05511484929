-- Packs of the bucket that were written anew without what need not be kept. retired_ms: when their objects were given up
-- (0: in use); an object is removed some time after that, and gone is 1 once it was. The row stays, so that a copy of the
-- pack on the disk of another server is known for what it is.
ALTER TABLE pack_object ADD COLUMN retired_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pack_object ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;
CREATE INDEX pack_object_retired ON pack_object (pack_id) WHERE retired_ms > 0 AND gone = 0;

-- Whose turn it is to compact, among the servers of one index: a run, and until when it counts as alive. Whoever takes
-- over is the only one from then on: each step of a run asks whether the turn is still its own.
CREATE TABLE compaction (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    run TEXT NOT NULL,
    until_ms INTEGER NOT NULL
) STRICT;

-- Where the servers of one index can be asked for what they have not uploaded yet.
CREATE TABLE node (
    writer INTEGER PRIMARY KEY,
    url TEXT NOT NULL,
    noted_ms INTEGER NOT NULL
) STRICT;
