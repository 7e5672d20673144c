//! Row identities. Each kind of thing has its own type, so a party can never stand where a
//! product is meant. The numbers are small, allotted by the store and carry no meaning.

use std::fmt;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

ids! {
    /// A tenant: one brand and everything it owns.
    BrandId,
    /// An organisation in a brand's tree.
    PartyId,
    /// A place a party runs.
    SiteId,
    /// What is sold, known by its GTIN.
    ProductId,
    /// A minted range of trace codes.
    BatchId,
    /// One sales grant of one party.
    TerritoryId,
}

/// A fact's name: 128 bits, time-ordered (UUID version 7), never shown in a public link.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(pub [u8; 16]);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
