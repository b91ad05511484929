-- Copies that do not match their hash are few: to be counted and listed without a look at all copies.
CREATE INDEX bulk_location_damaged ON bulk_location (pack_id, record_at) WHERE damaged <> 0;
