//! Limits: a bound on everything a peer sends, its unit in the name, its reason in the comment.

use serde::{Deserialize, Serialize};

use super::Config;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// Limits on what a data set may be, whoever sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScanLimits {
    /// Sequences within sequences.
    pub depth: u32,
    /// Elements, items and delimiters together.
    pub elements: u32,
    /// Bytes of a data set without its bulk values; they are held in memory.
    pub skeleton_bytes: u64,
    /// Bytes a deflated data set may inflate to.
    pub inflate_bytes: u64,
    /// Times a deflated data set may grow.
    pub inflate_ratio: u32,
    /// Bytes of one data set.
    pub instance_bytes: u64,
}

impl Default for ScanLimits {
    fn default() -> Self {
        ScanLimits {
            depth: 64,
            elements: 1_000_000,
            skeleton_bytes: 16 * MIB,
            inflate_bytes: 512 * MIB,
            inflate_ratio: 200,
            instance_bytes: 8 * GIB,
        }
    }
}

/// Limits of the DIMSE listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DimseLimits {
    /// Bytes of one P-DATA-TF PDU; told to the peer.
    pub pdu_bytes: u32,
    /// Bytes of one A-ASSOCIATE PDU.
    pub associate_bytes: u32,
    /// Bytes of one command set.
    pub command_bytes: u32,
    /// Associations at once.
    pub associations: u32,
    /// Associations at once of one calling AE title.
    pub associations_per_ae: u32,
    /// Associations at once from one address.
    pub associations_per_address: u32,
    /// Connections that have not yet asked for an association.
    pub pending_connections: u32,
    /// Seconds until a connection has asked for its association (PS3.8 ARTIM).
    pub artim_seconds: u64,
    /// Seconds an association may be silent.
    pub idle_seconds: u64,
    /// Bytes a second below which a data set under way is given up.
    pub min_bytes_per_second: u64,
    /// Seconds that running stores get when the server stops.
    pub drain_seconds: u64,
}

impl Default for DimseLimits {
    fn default() -> Self {
        DimseLimits {
            pdu_bytes: 131_072,
            associate_bytes: 131_072,
            command_bytes: 16_384,
            associations: 1024,
            associations_per_ae: 64,
            associations_per_address: 64,
            pending_connections: 4096,
            artim_seconds: 10,
            idle_seconds: 60,
            min_bytes_per_second: 1024,
            drain_seconds: 30,
        }
    }
}

/// Limits of the HTTP listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpLimits {
    /// Connections at once.
    pub connections: u32,
    /// Bytes of the request line and headers.
    pub header_bytes: u32,
    /// Seconds until the headers are complete.
    pub header_seconds: u64,
    /// Seconds without a byte, either way, after which a request is given up.
    pub idle_seconds: u64,
    /// Parts of one STOW-RS request.
    pub parts: u32,
    /// Rows of one QIDO-RS answer.
    pub page_rows: u32,
}

impl Default for HttpLimits {
    fn default() -> Self {
        HttpLimits {
            connections: 4096,
            header_bytes: 16_384,
            header_seconds: 10,
            idle_seconds: 60,
            parts: 1_000_000,
            page_rows: 1000,
        }
    }
}

/// Limits of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreLimits {
    /// Bytes of bulk values held in memory by all stores together; beyond it a store spills into a stream lane.
    pub memory_bytes: u64,
    /// Bytes of large headers held in memory by all stores together; beyond it a store is refused for now.
    pub header_memory_bytes: u64,
    /// Bytes of one instance's bulk values above which it goes straight into a stream lane.
    pub in_memory_instance_bytes: u64,
    /// Stream lanes, each one open pack.
    pub stream_lanes: u32,
    /// Bytes at which a pack is sealed.
    pub pack_bytes: u64,
    /// Free bytes of the disk below which new stores are refused.
    pub min_free_bytes: u64,
    /// Free share of the disk, in percent, below which new stores are refused, if that is less than `min_free_bytes`.
    pub min_free_percent: u8,
}

impl Default for StoreLimits {
    fn default() -> Self {
        StoreLimits {
            memory_bytes: 48 * MIB,
            header_memory_bytes: 128 * MIB,
            in_memory_instance_bytes: 4 * MIB,
            stream_lanes: 16,
            pack_bytes: 256 * MIB,
            min_free_bytes: 10 * GIB,
            min_free_percent: 5,
        }
    }
}

/// Limits of files that come in over the pages. A file that is no archive is bounded by [`ScanLimits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UploadLimits {
    /// Files that are read at once, over all imports.
    pub files: u32,
    /// Imports that are open at once; beyond it the longest unused one is forgotten.
    pub imports: u32,
    /// Zip archives that are opened at once; each one lies in the data folder meanwhile.
    pub zips: u32,
    /// Bytes of one zip archive.
    pub zip_bytes: u64,
    /// Files in one zip archive.
    pub zip_entries: u32,
    /// Bytes that all files of one zip archive may inflate to.
    pub zip_inflate_bytes: u64,
    /// Times a file in a zip archive may grow.
    pub zip_inflate_ratio: u32,
}

impl Default for UploadLimits {
    fn default() -> Self {
        UploadLimits {
            files: 32,
            imports: 64,
            zips: 2,
            zip_bytes: 16 * GIB,
            zip_entries: 200_000,
            zip_inflate_bytes: 64 * GIB,
            zip_inflate_ratio: 200,
        }
    }
}

/// Limits of the processes that decode frames for rendered pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecodeLimits {
    /// Processes at once; 0: one for each processor.
    pub workers: u32,
    /// Address space of one process.
    pub memory_bytes: u64,
    /// Samples of one frame (Rows x Columns x Samples per Pixel).
    pub samples: u64,
    /// Bytes of one frame as stored.
    pub frame_bytes: u64,
    /// Seconds for one frame, after which its process is killed.
    pub seconds: u64,
    /// Seconds to wait for a process while all are busy.
    pub queue_seconds: u64,
    /// Seconds without work after which a process ends.
    pub idle_seconds: u64,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        DecodeLimits {
            workers: 0,
            memory_bytes: 512 * MIB,
            samples: 40_000_000,
            frame_bytes: 256 * MIB,
            seconds: 10,
            queue_seconds: 10,
            idle_seconds: 30,
        }
    }
}

impl Config {
    /// Limits with which the archive could not work.
    pub(super) fn limit_problems(&self) -> Vec<String> {
        let (d, s, c) = (&self.dimse.limits, &self.store.limits, &self.scan);
        let u = &self.upload;
        let rules: [(bool, &str); 14] = [
            ((4096..=262_144).contains(&d.pdu_bytes), "dimse.limits.pdu_bytes is not within 4096 and 262144"),
            (d.associate_bytes >= 4096, "dimse.limits.associate_bytes is below 4096"),
            (d.associations > 0, "dimse.limits.associations is 0"),
            (s.stream_lanes > 0, "store.limits.stream_lanes is 0"),
            (
                s.header_memory_bytes >= c.skeleton_bytes,
                "store.limits.header_memory_bytes is below scan.skeleton_bytes",
            ),
            (s.memory_bytes >= MIB, "store.limits.memory_bytes is below 1 MiB"),
            (s.pack_bytes >= MIB, "store.limits.pack_bytes is below 1 MiB"),
            ((1..=256).contains(&c.depth), "scan.depth is not within 1 and 256"),
            (self.decode.memory_bytes >= 64 * MIB, "decode.memory_bytes is below 64 MiB"),
            (self.decode.seconds > 0, "decode.seconds is 0"),
            (c.skeleton_bytes <= GIB, "scan.skeleton_bytes is over 1 GiB"),
            (u.files > 0 && u.imports > 0 && u.zips > 0, "upload.files, upload.imports or upload.zips is 0"),
            (u.zip_entries <= 10_000_000, "upload.zip_entries is over 10000000"),
            (
                (1..=86_400).contains(&self.study.quiet_seconds),
                "study.quiet_seconds is not within 1 and 86400",
            ),
        ];
        rules.iter().filter(|(holds, _)| !holds).map(|(_, what)| (*what).to_owned()).collect()
    }
}
