//! Names of packs.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use thiserror::Error;

use crate::hash::parse_hex;

/// What follows the name in a file name.
const SUFFIX: &str = ".pack";

/// Who writes a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The node, unique in the archive.
    pub writer: u32,
    /// Rises at each start of the node's process.
    pub epoch: u32,
}

/// The name of a pack: 128 random bits, writer, epoch. Never used twice. The random bits protect the pack against
/// forged records, so the name must not appear in what a peer is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackName {
    /// The random id, which every record of the pack repeats.
    pub id: [u8; 16],
    /// Who writes the pack.
    pub identity: Identity,
}

/// Text that is not a pack's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a pack's name is 32, 8 and 8 lower-case hex digits, joined by '-'")]
pub struct PackNameError;

impl PackName {
    /// The name of the pack's file: the name and `.pack`.
    pub fn file_name(&self) -> String {
        format!("{self}{SUFFIX}")
    }

    /// Reads the name from the last part of a path.
    ///
    /// # Errors
    /// [`PackNameError`] if that is not `<name>.pack`.
    pub fn of_path(path: &Path) -> Result<PackName, PackNameError> {
        path.file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_suffix(SUFFIX))
            .ok_or(PackNameError)?
            .parse()
    }
}

impl fmt::Display for PackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u128::from_be_bytes(self.id);
        write!(f, "{id:032x}-{:08x}-{:08x}", self.identity.writer, self.identity.epoch)
    }
}

impl FromStr for PackName {
    type Err = PackNameError;

    fn from_str(text: &str) -> Result<PackName, PackNameError> {
        let mut parts = text.split('-');
        let mut part =
            |out: &mut [u8]| parts.next().and_then(|part| parse_hex(part, out)).ok_or(PackNameError);
        let (mut id, mut writer, mut epoch) = ([0; 16], [0; 4], [0; 4]);
        part(&mut id)?;
        part(&mut writer)?;
        part(&mut epoch)?;
        if parts.next().is_some() {
            return Err(PackNameError);
        }
        let identity = Identity { writer: u32::from_be_bytes(writer), epoch: u32::from_be_bytes(epoch) };
        Ok(PackName { id, identity })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_survives_text_and_nothing_else_is_one() {
        let mut id = [0; 16];
        id[0] = 0x3b;
        id[15] = 0xe0;
        let name = PackName { id, identity: Identity { writer: 1, epoch: 42 } };
        let text = "3b0000000000000000000000000000e0-00000001-0000002a";
        assert_eq!(name.to_string(), text);
        assert_eq!(text.parse(), Ok(name));
        assert_eq!(PackName::of_path(Path::new(&format!("/x/{text}.pack"))), Ok(name));
        for wrong in
            ["", "lock", &text[1..], &format!("{text}-"), &format!("{text}0"), &text.replace('a', "A")]
        {
            assert_eq!(wrong.parse::<PackName>(), Err(PackNameError), "{wrong}");
            assert_eq!(PackName::of_path(Path::new(wrong)), Err(PackNameError));
        }
    }
}
