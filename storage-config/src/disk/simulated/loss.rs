//! What a loss of power leaves of a simulated disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::state::{Change, Inode, Node, State, is_root, put_at, set};

/// What a disk writes as a whole or not at all, in bytes.
const SECTOR: u64 = 512;

/// A small random generator (splitmix64), so that a seed means the same for ever.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}

/// The disk as the next start finds it: everything synced, and of the rest what `seed` lets survive.
pub(super) fn survivor(state: &State, seed: u64) -> State {
    let mut random = Random(mix(seed ^ 0x0D15_C0DE));
    let names = surviving_names(state, &mut random);
    let mut survivor = State {
        capacity: state.capacity,
        ignored: state.ignored.clone(),
        random: random.next(),
        next_inode: state.next_inode,
        ..State::default()
    };
    for node in names.values() {
        if let Node::File(number) = node
            && let Some(inode) = state.inodes.get(number)
        {
            let data = surviving_bytes(inode, &mut random);
            survivor.used += data.len() as u64;
            survivor.inodes.insert(*number, Inode { durable: data.clone(), data, pending: Vec::new() });
        }
    }
    survivor.durable_names = names.clone();
    survivor.names = names;
    survivor
}

/// Which unsynced changes survive: of `count` in order, by what `random` draws.
enum Survival {
    Nothing,
    Everything,
    /// The first ones, as when the disk took them in order.
    Prefix(u64),
    /// Each by its own luck, in 256ths.
    Luck(u64),
}

impl Survival {
    fn draw(random: &mut Random, count: usize) -> Survival {
        match random.below(5) {
            0 => Survival::Nothing,
            1 => Survival::Everything,
            2 | 3 => Survival::Prefix(random.below(count as u64 + 1)),
            _ => Survival::Luck(1 + random.below(255)),
        }
    }
}

fn surviving_names(state: &State, random: &mut Random) -> BTreeMap<PathBuf, Node> {
    let mut names = state.durable_names.clone();
    let survival = Survival::draw(random, state.pending_names.len());
    for (n, rename) in state.pending_names.iter().enumerate() {
        let survives = match survival {
            Survival::Nothing => false,
            Survival::Everything => true,
            Survival::Prefix(count) => (n as u64) < count,
            Survival::Luck(luck) => random.below(256) < luck,
        };
        if survives {
            set(&mut names, &rename.path, rename.node);
        }
    }
    // What lies in a directory that did not survive is out of reach.
    let reachable =
        |path: &Path| path.ancestors().skip(1).all(|dir| is_root(dir) || names.get(dir) == Some(&Node::Dir));
    names.iter().filter(|(path, _)| reachable(path)).map(|(path, node)| (path.clone(), *node)).collect()
}

/// The bytes of one file. Each sector holds the durable content with some first ones of the unsynced changes: a cache
/// writes a page as it is at that moment, so never a later change without the earlier ones of the same sector.
fn surviving_bytes(inode: &Inode, random: &mut Random) -> Vec<u8> {
    if inode.pending.is_empty() {
        return inode.durable.clone();
    }
    let changes = inode.pending.len() as u64;
    let survival = Survival::draw(random, inode.pending.len());
    let salt = random.next();
    let taken_in = |sector: u64| match survival {
        Survival::Nothing => 0,
        Survival::Everything => changes,
        // The change at the edge is torn: some of its sectors made it.
        Survival::Prefix(count) => count + (mix(salt ^ sector) & 1),
        Survival::Luck(luck) if mix(salt ^ sector) % 256 < luck => 1 + mix(salt ^ !sector) % changes,
        Survival::Luck(_) => 0,
    };
    let mut data = inode.durable.clone();
    let mut lengths = vec![data.len() as u64];
    let mut length = data.len() as u64;
    for (n, change) in inode.pending.iter().enumerate() {
        match change {
            Change::Write { offset, bytes } => {
                length = length.max(offset + bytes.len() as u64);
                put_sectors(&mut data, *offset, bytes, |sector| taken_in(sector) > n as u64);
            }
            Change::Truncate(to) => {
                length = *to;
                clear_sectors(&mut data, *to, |sector| taken_in(sector) > n as u64);
            }
        }
        lengths.push(length);
    }
    let length = match survival {
        Survival::Nothing => lengths[0],
        Survival::Everything => length,
        Survival::Prefix(count) => lengths[(count + random.below(2)).min(changes) as usize],
        Survival::Luck(_) => lengths[random.below(changes + 1) as usize],
    };
    data.resize(length as usize, 0);
    data
}

/// Writes those sectors of `bytes` that survive.
fn put_sectors(data: &mut Vec<u8>, offset: u64, bytes: &[u8], survives: impl Fn(u64) -> bool) {
    let end = offset + bytes.len() as u64;
    let mut at = offset;
    while at < end {
        let next = (at / SECTOR + 1).saturating_mul(SECTOR).min(end);
        if survives(at / SECTOR) {
            put_at(data, at, &bytes[(at - offset) as usize..(next - offset) as usize]);
        }
        at = next;
    }
}

/// Zeroes what lies behind `from` in those sectors that survive: cut off, even if the file grows over it again.
fn clear_sectors(data: &mut [u8], from: u64, survives: impl Fn(u64) -> bool) {
    let end = data.len() as u64;
    let mut at = from;
    while at < end {
        let next = (at / SECTOR + 1).saturating_mul(SECTOR).min(end);
        if survives(at / SECTOR) {
            data[at as usize..next as usize].fill(0);
        }
        at = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_survives_is_the_old_or_the_new_of_each_sector_and_depends_on_the_seed() {
        let mut inode = Inode { durable: vec![1; 2048], ..Inode::default() };
        inode.pending.push(Change::Write { offset: 1024, bytes: vec![2; 4096] });
        let (mut lost, mut kept, mut torn) = (0, 0, 0);
        for seed in 0..500 {
            let bytes = surviving_bytes(&inode, &mut Random(seed));
            assert_eq!(bytes, surviving_bytes(&inode, &mut Random(seed)));
            assert!(bytes.len() == 2048 || bytes.len() == 5120);
            assert!(bytes[..1024].iter().all(|b| *b == 1), "bytes that were durable never change");
            for sector in bytes[1024..].chunks(512) {
                assert!(sector.iter().all(|b| *b == sector[0]), "a sector is never torn");
            }
            let new = bytes[1024..].iter().filter(|b| **b == 2).count();
            match new {
                0 => lost += 1,
                4096 => kept += 1,
                _ => torn += 1,
            }
        }
        assert!(lost > 50 && kept > 50 && torn > 50, "{lost} {kept} {torn}");
    }
}
