-- Packs that are objects of the bucket: recorded after the upload was read back. Until a row here is surely durable, the
-- file of the pack is not removed. sha256: NULL where the bucket keeps no note of it.
CREATE TABLE pack_object (
    pack_id INTEGER PRIMARY KEY REFERENCES pack (id),
    length INTEGER NOT NULL,
    sha256 BLOB,
    uploaded_ms INTEGER NOT NULL
) STRICT;
