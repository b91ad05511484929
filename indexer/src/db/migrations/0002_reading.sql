-- What reading needs: which bulk value holds an instance's frames, and a name for a patient that may stand in an address.
--
-- Both come from the records of packs alone, so that the derived rows are emptied: the packs are replayed at the start.
DELETE FROM bulk_location;
DELETE FROM conflict;
DELETE FROM facility;
DELETE FROM facility_code;
DELETE FROM frame_table;
DELETE FROM holding;
DELETE FROM instance;
DELETE FROM machine_clock;
DELETE FROM pack;
DELETE FROM patient;
DELETE FROM pending_holding;
DELETE FROM series;
DELETE FROM series_variant;
DELETE FROM study;
DELETE FROM study_variant;
DELETE FROM study_word;
DELETE FROM unindexable;
DELETE FROM word;

-- pixels: hash of the bulk value that the table is about, empty where the pixels stand in the instance record.
ALTER TABLE frame_table ADD COLUMN pixels BLOB NOT NULL DEFAULT x'';

-- key: a digest of the other columns; names the patient in addresses without saying the PatientID.
ALTER TABLE patient ADD COLUMN key BLOB NOT NULL DEFAULT x'';
CREATE UNIQUE INDEX patient_key ON patient (key);
