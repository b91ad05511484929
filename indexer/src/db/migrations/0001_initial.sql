-- The index: rows derived from packs. Everything but the peer tables is rebuilt from packs alone.
--
-- REFERENCES document; they are not enforced while storing (each check is a look-up per row), tests check them.
-- Text is '' where a data set has no value, so that comparisons need no NULL logic. Times are milliseconds since
-- 1970-01-01 UTC by this server's clock, dates YYYYMMDD, times of day HHMMSS with an optional fraction, no dot.

-- instances and below: what the rows of this pack's records add up to.
CREATE TABLE pack (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    sealed INTEGER NOT NULL DEFAULT 0,
    length INTEGER NOT NULL DEFAULT 0,
    checkpoint INTEGER NOT NULL DEFAULT 0,
    instances INTEGER NOT NULL DEFAULT 0,
    data_set_bytes INTEGER NOT NULL DEFAULT 0,
    holdings INTEGER NOT NULL DEFAULT 0,
    bulk_copies INTEGER NOT NULL DEFAULT 0,
    bulk_bytes INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE bulk_location (
    hash BLOB NOT NULL,
    pack_id INTEGER NOT NULL REFERENCES pack (id),
    record_at INTEGER NOT NULL,
    body_length INTEGER NOT NULL,
    damaged INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (hash, pack_id, record_at)
) STRICT, WITHOUT ROWID;

CREATE TABLE facility (
    id INTEGER PRIMARY KEY
) STRICT;

CREATE TABLE facility_code (
    facility_id INTEGER NOT NULL REFERENCES facility (id),
    valid_from TEXT NOT NULL,
    code TEXT NOT NULL,
    PRIMARY KEY (facility_id, valid_from, code)
) STRICT, WITHOUT ROWID;

-- A patient is (issuer, PatientID). Without a stated issuer the facility stands in for it; where PatientID counts
-- orders, or is empty, the scope keeps two people apart. Attributes of a patient are those of its newest study.
CREATE TABLE patient (
    id INTEGER PRIMARY KEY,
    patient_id TEXT NOT NULL,
    issuer TEXT NOT NULL,
    facility_id INTEGER NOT NULL,
    scope TEXT NOT NULL,
    UNIQUE (patient_id, issuer, facility_id, scope)
) STRICT;

-- winner_*: the served instance whose attributes the study shows: the least (rank, receive time, digest).
-- variants_clash: some instances, served or not, name different patients.
CREATE TABLE study (
    id INTEGER PRIMARY KEY,
    study_uid TEXT NOT NULL UNIQUE,
    patient_row INTEGER REFERENCES patient (id),
    winner_id INTEGER REFERENCES instance (id),
    winner_rank INTEGER,
    winner_ms INTEGER,
    winner_digest BLOB,
    variant_id INTEGER REFERENCES study_variant (id),
    n_series INTEGER NOT NULL DEFAULT 0,
    n_instances INTEGER NOT NULL DEFAULT 0,
    generation INTEGER NOT NULL DEFAULT 0,
    processed_generation INTEGER NOT NULL DEFAULT 0,
    changed_ms INTEGER NOT NULL DEFAULT 0,
    identity_conflict INTEGER NOT NULL DEFAULT 0,
    variants_clash INTEGER NOT NULL DEFAULT 0,
    newest TEXT NOT NULL DEFAULT '',
    modalities TEXT NOT NULL DEFAULT '',
    patient_id TEXT NOT NULL DEFAULT '',
    issuer TEXT NOT NULL DEFAULT '',
    name_folded TEXT NOT NULL DEFAULT '',
    name_sorted TEXT NOT NULL DEFAULT '',
    birth_date TEXT NOT NULL DEFAULT '',
    sex TEXT NOT NULL DEFAULT '',
    study_date TEXT NOT NULL DEFAULT '',
    study_time TEXT NOT NULL DEFAULT '',
    accession TEXT NOT NULL DEFAULT '',
    study_id TEXT NOT NULL DEFAULT '',
    description_folded TEXT NOT NULL DEFAULT '',
    referring_folded TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX study_newest ON study (newest DESC, study_uid);
CREATE INDEX study_patient ON study (patient_row, newest DESC, study_uid);
CREATE INDEX study_patient_id ON study (patient_id, newest DESC, study_uid);
CREATE INDEX study_accession ON study (accession) WHERE accession <> '';

-- What the instances of a study say about patient and study: one row for each different saying.
CREATE TABLE study_variant (
    id INTEGER PRIMARY KEY,
    study_row INTEGER NOT NULL REFERENCES study (id),
    digest BLOB NOT NULL,
    newest TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    issuer TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    name_sorted TEXT NOT NULL,
    birth_date TEXT NOT NULL,
    sex TEXT NOT NULL,
    study_date TEXT NOT NULL,
    study_time TEXT NOT NULL,
    accession TEXT NOT NULL,
    study_id TEXT NOT NULL,
    description_folded TEXT NOT NULL,
    referring_folded TEXT NOT NULL,
    json TEXT NOT NULL,
    UNIQUE (study_row, digest)
) STRICT;

CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    study_row INTEGER NOT NULL REFERENCES study (id),
    series_uid TEXT NOT NULL,
    winner_id INTEGER REFERENCES instance (id),
    winner_rank INTEGER,
    winner_ms INTEGER,
    winner_digest BLOB,
    variant_id INTEGER REFERENCES series_variant (id),
    n_instances INTEGER NOT NULL DEFAULT 0,
    generation INTEGER NOT NULL DEFAULT 0,
    processed_generation INTEGER NOT NULL DEFAULT 0,
    changed_ms INTEGER NOT NULL DEFAULT 0,
    series_number INTEGER NOT NULL DEFAULT 4294967296,
    modality TEXT NOT NULL DEFAULT '',
    body_part TEXT NOT NULL DEFAULT '',
    performed_date TEXT NOT NULL DEFAULT '',
    description_folded TEXT NOT NULL DEFAULT '',
    UNIQUE (study_row, series_uid)
) STRICT;
CREATE INDEX series_by_uid ON series (series_uid);

CREATE TABLE series_variant (
    id INTEGER PRIMARY KEY,
    series_row INTEGER NOT NULL REFERENCES series (id),
    digest BLOB NOT NULL,
    series_number INTEGER NOT NULL,
    modality TEXT NOT NULL,
    body_part TEXT NOT NULL,
    performed_date TEXT NOT NULL,
    description_folded TEXT NOT NULL,
    json TEXT NOT NULL,
    UNIQUE (series_row, digest)
) STRICT;

-- version: 0 for the one that is served among those of one (study, series, SOP Instance UID), else the row's own id.
CREATE TABLE instance (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    study_row INTEGER NOT NULL REFERENCES study (id),
    series_row INTEGER NOT NULL REFERENCES series (id),
    version INTEGER NOT NULL,
    instance_number INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    facility_id INTEGER NOT NULL,
    study_variant_id INTEGER NOT NULL REFERENCES study_variant (id),
    series_variant_id INTEGER NOT NULL REFERENCES series_variant (id),
    pack_id INTEGER NOT NULL REFERENCES pack (id),
    record_at INTEGER NOT NULL,
    body_length INTEGER NOT NULL,
    length INTEGER NOT NULL,
    frames INTEGER,
    sop_uid TEXT NOT NULL,
    sop_class TEXT NOT NULL,
    transfer_syntax TEXT NOT NULL,
    source TEXT NOT NULL,
    patient_scope TEXT NOT NULL,
    bulk_digest BLOB NOT NULL,
    notes TEXT NOT NULL,
    json TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX instance_sop ON instance (sop_uid, series_row, version);
CREATE INDEX instance_in_series ON instance (series_row, instance_number) WHERE version = 0;

CREATE TABLE frame_table (
    instance_id INTEGER PRIMARY KEY REFERENCES instance (id),
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE holding (
    instance_id INTEGER NOT NULL REFERENCES instance (id),
    facility_id INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (instance_id, facility_id)
) STRICT, WITHOUT ROWID;

-- Holdings whose instance is in a pack that has not been indexed yet.
CREATE TABLE pending_holding (
    digest BLOB NOT NULL,
    facility_id INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (digest, facility_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE conflict (
    study_row INTEGER NOT NULL REFERENCES study (id),
    kind INTEGER NOT NULL,
    series_row INTEGER NOT NULL DEFAULT 0,
    sop_uid TEXT NOT NULL DEFAULT '',
    digest BLOB NOT NULL DEFAULT x'',
    served_digest BLOB NOT NULL DEFAULT x'',
    patient_differs INTEGER NOT NULL DEFAULT 0,
    received_ms INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (study_row, kind, series_row, sop_uid, digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE unindexable (
    pack_id INTEGER NOT NULL REFERENCES pack (id),
    record_at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (pack_id, record_at)
) STRICT, WITHOUT ROWID;

-- Folded words of patients' names. The words are few (they repeat), so that a search inside words reads them all.
CREATE TABLE word (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE study_word (
    word_id INTEGER NOT NULL REFERENCES word (id),
    study_row INTEGER NOT NULL REFERENCES study (id),
    PRIMARY KEY (word_id, study_row)
) STRICT, WITHOUT ROWID;

-- Machines whose performed time was in the future of, or more than two days before, the receive time.
-- off_*: performed minus received, in seconds.
CREATE TABLE machine_clock (
    station TEXT NOT NULL,
    serial TEXT NOT NULL,
    source TEXT NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    n_instances INTEGER NOT NULL,
    least_off_s INTEGER NOT NULL,
    most_off_s INTEGER NOT NULL,
    PRIMARY KEY (station, serial, source)
) STRICT, WITHOUT ROWID;

-- Not derived from packs.

CREATE TABLE peer (
    ae_title TEXT NOT NULL,
    address TEXT NOT NULL,
    echo_ms INTEGER NOT NULL DEFAULT 0,
    store_ms INTEGER NOT NULL DEFAULT 0,
    error_ms INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    seen_ms INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (ae_title, address)
) STRICT, WITHOUT ROWID;
CREATE INDEX peer_seen ON peer (seen_ms);

CREATE TABLE unknown_peer (
    ae_title TEXT NOT NULL,
    address TEXT NOT NULL,
    called TEXT NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (ae_title, address, called)
) STRICT, WITHOUT ROWID;
CREATE INDEX unknown_peer_last ON unknown_peer (last_ms);
