//! FF1 (NIST SP 800-38G, §5.1) for the one shape trace codes need: AES-256, radix 32, eleven
//! numerals, empty tweak, as a permutation of 55-bit words.
//!
//! Radix 32 makes numerals bit fields, so the halves are plain integers of 25 bits (u = 5) and
//! 30 bits (v = 6) and "mod radix^m" is a mask. With b = 4 and no tweak, P and Q are one block
//! each: AES(P) is the same in every round and is kept with the key, which leaves one AES block
//! per round. Many words walk through the rounds side by side, because AES hardware is fast
//! only when it always has independent blocks to work on.

use aes::cipher::array::typenum::U16;
use aes::cipher::inout::InOutBuf;
use aes::cipher::{
    BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit,
};
use aes::{Aes256Enc, Block};
use zeroize::Zeroize;

/// Words that share the AES pipeline: the batch of the widest AES back end (VAES on AVX-512
/// takes 64 blocks at once); narrower ones split it.
pub(super) const LANES: usize = 64;

const RIGHT_BITS: u32 = 30;
const LEFT_MASK: u32 = (1 << 25) - 1;
const RIGHT_MASK: u32 = (1 << RIGHT_BITS) - 1;

/// Step 5: P = \[1\] \[2\] \[1\] \[radix\]³ \[10\] \[u mod 256\] \[n\]⁴ \[t\]⁴.
const P: [u8; 16] = [1, 2, 1, 0, 0, 32, 10, 5, 0, 0, 0, 11, 0, 0, 0, 0];

/// A keyed permutation of the 55-bit words.
pub(super) struct Ff1 {
    cipher: Aes256Enc,
    /// AES(P), read big-endian.
    head: u128,
}

impl Ff1 {
    pub(super) fn new(key: &[u8; 32]) -> Ff1 {
        let cipher = Aes256Enc::new(key.into());
        let mut block = Block::from(P);
        cipher.encrypt_block(&mut block);
        Ff1 { cipher, head: u128::from_be_bytes(block.into()) }
    }

    /// Encrypts every word in place; only the low 55 bits of a word count.
    pub(super) fn encrypt<const N: usize>(&self, words: &mut [u64; N]) {
        self.cipher.encrypt_with_backend(Walk { head: self.head, way: Way::Forth, words });
    }

    /// Decrypts one word; only its low 55 bits count.
    pub(super) fn decrypt(&self, word: u64) -> u64 {
        let mut words = [word];
        let walk = Walk { head: self.head, way: Way::Back, words: &mut words };
        self.cipher.encrypt_with_backend(walk);
        words[0]
    }
}

/// Which way the rounds go. Both encrypt blocks: that is what a Feistel network is for.
#[derive(Clone, Copy)]
enum Way {
    Forth,
    Back,
}

/// All ten rounds in one visit to the cipher: it makes its round keys ready at each visit, which
/// for a single word costs more than the rounds.
struct Walk<'a, const N: usize> {
    head: u128,
    way: Way,
    words: &'a mut [u64; N],
}

impl<const N: usize> BlockSizeUser for Walk<'_, N> {
    type BlockSize = U16;
}

impl<const N: usize> BlockCipherEncClosure for Walk<'_, N> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, cipher: &B) {
        let (mut left, mut right) = split(self.words);
        for step in (0..10).step_by(2) {
            match self.way {
                Way::Forth => {
                    let pads = self.pads(cipher, step, &right);
                    for lane in 0..N {
                        left[lane] = left[lane].wrapping_add(pads[lane]) & LEFT_MASK;
                    }
                    let pads = self.pads(cipher, step + 1, &left);
                    for lane in 0..N {
                        right[lane] = right[lane].wrapping_add(pads[lane]) & RIGHT_MASK;
                    }
                }
                Way::Back => {
                    let pads = self.pads(cipher, 9 - step, &left);
                    for lane in 0..N {
                        right[lane] = right[lane].wrapping_sub(pads[lane]) & RIGHT_MASK;
                    }
                    let pads = self.pads(cipher, 8 - step, &right);
                    for lane in 0..N {
                        left[lane] = left[lane].wrapping_sub(pads[lane]) & LEFT_MASK;
                    }
                }
            }
        }
        *self.words = join(&left, &right);
    }
}

impl<const N: usize> Walk<'_, N> {
    /// Steps 6i to 6iv: y of every lane, modulo 2³², which is all that the 30-bit sum can see.
    /// S is the first eight bytes of R (d = 8) and y its number, so its last four bytes do.
    #[inline(always)]
    fn pads<B: BlockCipherEncBackend<BlockSize = U16>>(
        &self,
        cipher: &B,
        round: u32,
        halves: &[u32; N],
    ) -> [u32; N] {
        let head = self.head ^ u128::from(round) << 32;
        let mut blocks = halves.map(|half| Block::from((head ^ u128::from(half)).to_be_bytes()));
        let (batches, rest) = InOutBuf::from(&mut blocks[..]).into_chunks::<B::ParBlocksSize>();
        for batch in batches {
            cipher.encrypt_par_blocks(batch);
        }
        for block in rest {
            cipher.encrypt_block(block);
        }
        blocks.map(|block| u32::from_be_bytes([block[4], block[5], block[6], block[7]]))
    }
}

impl Drop for Ff1 {
    /// The round keys are wiped by the cipher's own `Drop`.
    fn drop(&mut self) {
        self.head.zeroize();
    }
}

/// Step 2: A is the first five numerals (25 bits), B the last six (30 bits).
fn split<const N: usize>(words: &[u64; N]) -> ([u32; N], [u32; N]) {
    let left = words.map(|word| (word >> RIGHT_BITS) as u32 & LEFT_MASK);
    let right = words.map(|word| word as u32 & RIGHT_MASK);
    (left, right)
}

/// Step 7: A || B.
fn join<const N: usize>(left: &[u32; N], right: &[u32; N]) -> [u64; N] {
    std::array::from_fn(|lane| u64::from(left[lane]) << RIGHT_BITS | u64::from(right[lane]))
}
