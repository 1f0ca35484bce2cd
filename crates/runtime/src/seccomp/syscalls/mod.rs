//! System calls by name and by number.

pub(super) mod multiplexed;
mod table;

use super::arch::Abi;
use table::{NONE, TABLE};

const fn column(abi: Abi) -> usize {
    match abi {
        Abi::X86_64 => 0,
        Abi::X86 => 1,
        Abi::X32 => 2,
        Abi::Aarch64 => 3,
        Abi::Arm => 4,
    }
}

/// A call's numbers on every architecture; looked up once per name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers(&'static [i32; 5]);

impl Numbers {
    /// Finds a call by its name.
    pub(super) fn of(name: &str) -> Option<Self> {
        let row = TABLE.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
        TABLE.get(row).map(|(_, numbers)| Self(numbers))
    }

    /// The number on one interface, the x32 marker included.
    pub(super) fn on(self, abi: Abi) -> Option<u32> {
        match self.0[column(abi)] {
            NONE => None,
            number => Some(number.cast_unsigned() | abi.marker()),
        }
    }
}

/// The number of a call by its kernel name (`openat`), the x32 marker included; none where the interface lacks it.
pub fn number(abi: Abi, name: &str) -> Option<u32> {
    Numbers::of(name)?.on(abi)
}

/// The name of a call by its number, for messages. A number with two names gives the first by spelling.
pub fn name(abi: Abi, number: u32) -> Option<&'static str> {
    TABLE.iter().find(|(_, numbers)| Numbers(numbers).on(abi) == Some(number)).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABIS: [Abi; 5] = [Abi::X86_64, Abi::X86, Abi::X32, Abi::Aarch64, Abi::Arm];

    #[test]
    fn names_are_sorted_and_unique() {
        assert!(TABLE.is_sorted_by(|(a, _), (b, _)| a < b));
    }

    #[test]
    fn a_number_has_one_name_but_for_the_old_spellings() {
        let aliases = ["arm_sync_file_range"];
        for abi in ABIS {
            for (spelled, numbers) in TABLE {
                if let Some(number) = Numbers(numbers).on(abi).filter(|_| !aliases.contains(spelled)) {
                    let first = name(abi, number).unwrap();
                    assert!(first == *spelled || aliases.contains(&first), "{first} and {spelled} on {abi:?}");
                }
            }
        }
    }

    #[test]
    fn a_call_with_a_gateway_has_a_number_somewhere() {
        for gateway in [102, 117] {
            let behind =
                TABLE.iter().filter(|(name, _)| multiplexed::gateway(name).is_some_and(|m| m.gateway == gateway));
            assert_eq!(behind.count(), if gateway == 102 { 20 } else { 12 });
        }
    }

    #[test]
    fn this_machines_own_numbers_agree() {
        // What the C library's headers of the build say, for a sample from each age of the table.
        #[cfg(target_arch = "x86_64")]
        for (spelled, expected) in [
            ("read", libc::SYS_read),
            ("mkdirat", libc::SYS_mkdirat),
            ("clone3", libc::SYS_clone3),
            ("mseal", libc::SYS_mseal),
        ] {
            assert_eq!(number(Abi::X86_64, spelled).map(i64::from), Some(expected), "{spelled}");
        }
    }

    #[test]
    fn x32_calls_carry_their_marker() {
        assert_eq!(number(Abi::X32, "read"), Some(0x4000_0000));
        assert_eq!(number(Abi::X32, "ioctl"), Some(0x4000_0000 + 514));
        assert_eq!(name(Abi::X32, 0x4000_0000 + 514), Some("ioctl"));
    }

    #[test]
    fn from_424_on_the_architectures_agree() {
        // Since Linux 5.1 a new call has one number everywhere; x86 gave some of the older ones late.
        for (spelled, numbers) in TABLE {
            let new: Vec<i32> = numbers.iter().copied().filter(|n| (424..0x1000).contains(n)).collect();
            assert!(new.windows(2).all(|pair| pair[0] == pair[1]), "{spelled} {new:?}");
        }
    }
}
