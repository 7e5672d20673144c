//! Passwords: long enough, and not among those that are tried first (NIST SP 800-63B, 5.1.1.2).
//! Any character counts, spaces too; nothing is asked of their mixture, and none of them expires.

/// Fewest characters.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Most characters: hashing more would only cost.
pub const PASSWORD_CHARS_MAX: usize = 128;

/// Passwords that are tried first, among those long enough; in lower case.
const COMMON: [&str; 39] = [
    "000000000000",
    "1111111111111",
    "0123456789012",
    "012345678910",
    "0987654321098",
    "1234567890-=",
    "123456789012",
    "1234567890123",
    "12345678901234",
    "123456789012345",
    "1234567890123456",
    "123456789abc",
    "1234567890ab",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "1qazxsw23edc",
    "a123456789012",
    "aa123456789012",
    "abc123456789",
    "abcd12345678",
    "abcdefghijkl",
    "abcdefghijklmnop",
    "adminadminadmin",
    "administrator",
    "asdfghjklqwerty",
    "changemechangeme",
    "iloveyouiloveyou",
    "letmeinletmein",
    "password1234",
    "password12345",
    "password123456",
    "password123456789",
    "passwordpassword",
    "passw0rdpassw0rd",
    "qazwsxedcrfv",
    "qwertyqwerty",
    "qwertyuiop12",
    "qwertyuiop123",
    "qwertyuiopasdf",
];

/// Why a password is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordProblem {
    /// Too few characters.
    #[error("must have at least 12 characters; a few words in a row are good")]
    TooShort,
    /// Too many.
    #[error("must have at most 128 characters")]
    TooLong,
    /// One that is tried first.
    #[error("is among the passwords that are tried first; take another")]
    Common,
    /// The name to sign in with.
    #[error("must not be the name to sign in with")]
    Name,
}

/// Looks at a new password. `name` is what its owner signs in with.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check(password: &str, name: &str) -> Result<(), PasswordProblem> {
    let count = password.chars().count();
    if count < PASSWORD_CHARS_MIN {
        return Err(PasswordProblem::TooShort);
    }
    if count > PASSWORD_CHARS_MAX {
        return Err(PasswordProblem::TooLong);
    }
    let lower = password.to_lowercase();
    let mut letters = lower.chars();
    let first = letters.next();
    let one_letter = letters.all(|c| Some(c) == first);
    if one_letter || COMMON.contains(&lower.as_str()) {
        return Err(PasswordProblem::Common);
    }
    if lower.trim() == name.trim().to_lowercase() {
        return Err(PasswordProblem::Name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_in_characters_and_mixture_is_free() {
        let check = |password: &str| check(password, "li.wei.the.owner");
        assert_eq!(check("elevenchars"), Err(PasswordProblem::TooShort));
        assert_eq!(check("twelve chars"), Ok(()));
        assert_eq!(check("十一个字不够的密码呀啊"), Err(PasswordProblem::TooShort));
        assert_eq!(check("十二个字正好够的密码呀啊"), Ok(()));
        assert_eq!(check(&"ab".repeat(64)), Ok(()));
        assert_eq!(check(&"ab".repeat(65)), Err(PasswordProblem::TooLong));
        assert_eq!(check("          a b"), Ok(()));
    }

    #[test]
    fn what_is_tried_first_is_refused() {
        for password in ["PasswordPassword", "123456789012", "zzzzzzzzzzzzz", "Administrator"] {
            assert_eq!(check(password, "x"), Err(PasswordProblem::Common), "{password}");
        }
        assert_eq!(check("Li.Wei.The.Owner", "li.wei.the.owner"), Err(PasswordProblem::Name));
    }

    #[test]
    fn the_list_is_what_it_says() {
        for password in COMMON {
            assert_eq!(password, password.to_lowercase());
        }
    }
}
