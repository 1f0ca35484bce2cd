//! Which blocks are taken, as upstream writes it: the bytes of a number whose bit of that place says so, the most
//! significant byte first and no byte before it.

/// The blocks that are taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bitmap {
    /// The least significant byte first; the last is not zero.
    bytes: Vec<u8>,
}

impl Bitmap {
    pub(crate) fn read(data: &[u8]) -> Self {
        let mut bytes: Vec<u8> = data.to_vec();
        bytes.reverse();
        while bytes.last() == Some(&0) {
            bytes.pop();
        }
        Self { bytes }
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        self.bytes.iter().rev().copied().collect()
    }

    pub(crate) fn has(&self, bit: usize) -> bool {
        self.bytes.get(bit / 8).is_some_and(|byte| byte & (1 << (bit % 8)) != 0)
    }

    pub(crate) fn insert(&mut self, bit: usize) {
        if self.bytes.len() <= bit / 8 {
            self.bytes.resize(bit / 8 + 1, 0);
        }
        if let Some(byte) = self.bytes.get_mut(bit / 8) {
            *byte |= 1 << (bit % 8);
        }
    }

    /// The first that is free of so many.
    pub(crate) fn first_free(&self, of: usize) -> Option<usize> {
        let full = self.bytes.iter().take_while(|byte| **byte == 0xff).count() * 8;
        (full..of).find(|bit| !self.has(*bit))
    }

    /// Those that are taken, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.bytes.len() * 8).filter(|bit| self.has(*bit))
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.iter().map(|byte| byte.count_ones() as usize).sum()
    }
}

impl FromIterator<usize> for Bitmap {
    fn from_iter<I: IntoIterator<Item = usize>>(bits: I) -> Self {
        let mut bitmap = Self::default();
        bits.into_iter().for_each(|bit| bitmap.insert(bit));
        bitmap
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn bytes_are_those_of_gos_big_integers() {
        assert_eq!([0, 1, 8].into_iter().collect::<Bitmap>().write(), [0b1, 0b11]);
        assert_eq!(Bitmap::read(&[0, 0, 1, 3]), [0, 1, 8].into_iter().collect());
        assert_eq!(Bitmap::default().write(), [0; 0]);
    }

    proptest! {
        #[test]
        fn is_a_set_that_survives_being_written(bits in prop::collection::btree_set(0_usize..200, 0..60)) {
            let bitmap: Bitmap = bits.iter().copied().collect();
            prop_assert_eq!(bitmap.iter().collect::<BTreeSet<_>>(), bits.clone());
            prop_assert_eq!(bitmap.len(), bits.len());
            prop_assert_eq!(Bitmap::read(&bitmap.write()), bitmap.clone());
            prop_assert_eq!(bitmap.first_free(200), (0..200).find(|bit| !bits.contains(bit)));
        }
    }
}
