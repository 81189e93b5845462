//! A token's text: its segments and their strict decoding (RFC 7515 §5.2), and the token ID.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::{DecodeError, Engine as _};
use sha2::{Digest as _, Sha256};

use super::members::{self, Member};
use crate::text::words;

/// The largest accepted token. A larger one is refused before it is parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenLimit(usize);

impl TokenLimit {
    /// 64 KiB, the largest limit.
    pub const LARGEST: Self = Self(64 * 1024);

    /// The limit in bytes.
    pub const fn bytes(self) -> usize {
        self.0
    }
}

/// 8 KiB.
impl Default for TokenLimit {
    fn default() -> Self {
        Self(8 * 1024)
    }
}

/// `1.0 KiB`.
impl fmt::Display for TokenLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&words::bytes(self.0))
    }
}

/// The orders of P-256, P-384 and P-521 (FIPS 186-5 and SP 800-186 §3.2.1), by the length of a signature as base64url.
const ORDERS: [(usize, &str); 3] = [
    (86, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
    (128, "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973"),
    (
        176,
        "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899\
         c47aebb6fb71e91386409",
    ),
];

/// Returns the twin of a signature whose s is above half of the order, or `None` if it is below, or of another length. A
/// signature of another algorithm with the same length has a twin too, which does not verify.
fn lower_twin(signature: &str) -> Option<String> {
    let (_, order) = ORDERS.iter().find(|(length, _)| *length == signature.len())?;
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let half = bytes.len() / 2;
    let s = bytes.get_mut(half..)?;
    let mut twin = Vec::with_capacity(half);
    let mut borrow = 0i16;
    for (at, byte) in s.iter().enumerate().rev() {
        let digit = i16::from(u8::from_str_radix(order.get(2 * at..2 * at + 2)?, 16).ok()?);
        let difference = digit - i16::from(*byte) - borrow;
        borrow = i16::from(difference < 0);
        twin.push(u8::try_from(difference.rem_euclid(256)).ok()?);
    }
    twin.reverse();
    // A number above the order is not a signature.
    if borrow != 0 || *twin >= *s {
        return None;
    }
    s.copy_from_slice(&twin);
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// The text is not a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected whole KiB from 1 to 64")]
pub struct InvalidTokenLimit;

impl FromStr for TokenLimit {
    type Err = InvalidTokenLimit;

    fn from_str(kib: &str) -> Result<Self, InvalidTokenLimit> {
        let limit = kib.parse::<usize>().ok().and_then(|kib| kib.checked_mul(1024)).map(Self);
        limit.filter(|limit| (Self(1024)..=Self::LARGEST).contains(limit)).ok_or(InvalidTokenLimit)
    }
}

/// A token's ID in logs, lists, evidence and revocations: the SHA-256 of its text, with an ECDSA signature in its lower
/// form. Two tokens are equal if their whole hashes are equal; the first 8 hex digits are shown.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId([u8; 32]);

impl TokenId {
    /// Returns the ID of a token.
    ///
    /// Of every ECDSA signature (r, s) there is a twin, (r, n − s), which anyone can write and which verifies too
    /// (FIPS 186-5 §6.4). Both are the same token: a revoked one would otherwise come back by its twin.
    pub fn of(token: &str) -> Self {
        let mut hash = Sha256::new();
        match token.rsplit_once('.').and_then(|(signed, signature)| Some((signed, lower_twin(signature)?))) {
            Some((signed, signature)) => hash.update(format!("{signed}.{signature}")),
            None => hash.update(token),
        }
        Self(hash.finalize().into())
    }

    /// The whole hash, as 64 hex digits.
    pub fn hex(&self) -> String {
        use fmt::Write as _;
        self.0.iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// Parses a whole hash as written by [`TokenId::hex`].
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        (pairs.len() == bytes.len() && rest.is_empty()).then_some(Self(bytes))
    }
}

/// Formats the first 8 hex digits.
impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenId({self})")
    }
}

/// A fault in a token's structure, and its position. Segments and bytes count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The number of segments, which is not three.
    Segments(usize),
    /// Not a JWT, but a token that means nothing without its issuer.
    Opaque,
    /// A byte that is not in the base64url alphabet.
    Base64 {
        /// The number of the segment.
        segment: usize,
        /// The byte's position in the segment.
        byte: usize,
        /// The byte found.
        found: u8,
    },
    /// The last character of a segment contains bits that no byte uses, or the segment's length is impossible.
    Base64End {
        /// The number of the segment.
        segment: usize,
        /// The position in the segment.
        byte: usize,
    },
    /// A segment that decodes, but not to a JSON object. Positions refer to the decoded text.
    Json {
        /// The number of the segment.
        segment: usize,
        /// The fault in the JSON.
        fault: members::Fault,
    },
    /// A duplicate member.
    Duplicate {
        /// The number of the segment.
        segment: usize,
        /// The member's name, unescaped.
        name: Arc<str>,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opaque => f.write_str(
                "not a JWT: this looks like an opaque token, which only its issuer can check (introspection, RFC 7662)",
            ),
            Self::Segments(1) => f.write_str("no dots, expected three segments"),
            Self::Segments(5) => f.write_str("5 segments: encrypted tokens (JWE) are not supported"),
            Self::Segments(n) => write!(f, "{n} segments, expected three"),
            Self::Base64 { segment, byte, found: b'=' } => {
                write!(f, "segment {segment}, byte {byte}: base64 padding is not allowed in a token")
            }
            Self::Base64 { segment, byte, found } if found.is_ascii_graphic() => {
                write!(f, "segment {segment}, byte {byte}: '{}' is not base64url", char::from(*found))
            }
            Self::Base64 { segment, byte, found } => {
                write!(f, "segment {segment}, byte {byte}: 0x{found:02x} is not base64url")
            }
            Self::Base64End { segment, byte } => {
                write!(f, "segment {segment}, byte {byte}: base64url ends in the middle of a byte")
            }
            Self::Json { segment, fault } => write!(f, "segment {segment}: {fault}"),
            Self::Duplicate { segment, name } => {
                write!(f, "segment {segment}: duplicate member {}", crate::text::name(name, 64))
            }
        }
    }
}

/// Decodes strict base64url without padding, and appends it to `bytes`. A fault contains the number of the segment.
fn decode(segment: usize, text: &str, bytes: &mut Vec<u8>) -> Result<(), Fault> {
    URL_SAFE_NO_PAD.decode_vec(text, bytes).map_err(|error| match (text.bytes().enumerate().find(foreign), error) {
        // The decoder checks the length first, then the end; the first byte outside the alphabet is more informative.
        (Some((at, found)), _) => Fault::Base64 { segment, byte: at + 1, found },
        (None, DecodeError::InvalidLastSymbol(at, _)) => Fault::Base64End { segment, byte: at + 1 },
        (None, _) => Fault::Base64End { segment, byte: text.len() },
    })
}

fn foreign((_, byte): &(usize, u8)) -> bool {
    !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'_')
}

/// How opaque tokens of known issuers begin: Google, Ory, GitHub and GitLab.
const OPAQUE: [&str; 12] =
    ["ya29.", "1//", "ory_at_", "ory_rt_", "ory_ac_", "gho_", "ghp_", "ghr_", "ghs_", "ghu_", "github_pat_", "glpat-"];

/// The length of the shortest random word that is taken for an opaque token.
const SHORTEST_OPAQUE: usize = 20;

/// Whether a text that is not a JWT looks like an opaque token: it begins like one of a known issuer, is a UUID, or is
/// one long word of letters and digits without dots. A JWT begins with the base64url of `{"`.
pub fn is_opaque(token: &str) -> bool {
    if token.starts_with("eyJ") || !token.bytes().all(in_opaque) {
        return false;
    }
    let has = |is: fn(&u8) -> bool| token.bytes().any(|b| is(&b));
    let is_random = token.len() >= SHORTEST_OPAQUE
        && !token.contains('.')
        && has(u8::is_ascii_alphabetic)
        && has(u8::is_ascii_digit);
    is_random || is_opaque_of_known(token)
}

/// Whether a text begins like the opaque tokens of a known issuer.
pub fn is_opaque_of_known(token: &str) -> bool {
    let begins = |start: &&str| token.len() > start.len() && token.starts_with(start);
    OPAQUE.iter().any(begins) && token.bytes().all(in_opaque)
}

/// Whether a bearer token may contain the byte (RFC 6750 §2.1).
fn in_opaque(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
}

/// The two headers of nearly every HS256 token, as base64url and as members: those that we and `PyJWT` write. Decoding
/// and parsing one takes a fifth of a whole decision, and the result is always the same; the budget for a whole
/// decision is 0.45 × `jsonwebtoken::decode` (`cargo bench`).
static PLAIN: [(&str, [Member<'static>; 2]); 2] = [
    ("eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9", [member("typ", "\"JWT\""), member("alg", "\"HS256\"")]),
    ("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", [member("alg", "\"HS256\""), member("typ", "\"JWT\"")]),
];

const fn member(name: &'static str, value: &'static str) -> Member<'static> {
    Member { name: Cow::Borrowed(name), value }
}

/// A token whose three segments have been decoded.
pub(super) struct Split<'t> {
    /// The signed text: header and payload as written, with the dot between them.
    pub signed: &'t str,
    /// The decoded segments, one after another: one allocation instead of three. A plain header is omitted.
    bytes: Vec<u8>,
    plain: Option<&'static [Member<'static>]>,
    header: usize,
    payload: usize,
}

impl<'t> Split<'t> {
    pub fn new(token: &'t str) -> Result<Self, Fault> {
        Self::of_segments(token).map_err(|fault| if is_opaque(token) { Fault::Opaque } else { fault })
    }

    fn of_segments(token: &'t str) -> Result<Self, Fault> {
        let segments = || Fault::Segments(token.split('.').count());
        let (signed, signature) = token.rsplit_once('.').ok_or_else(segments)?;
        let (header, payload) = signed.split_once('.').ok_or_else(segments)?;
        let plain = PLAIN.iter().find(|(text, _)| *text == header).map(|(_, members)| &members[..]);
        let mut split = Self { signed, bytes: Vec::with_capacity(token.len()), plain, header: 0, payload: 0 };
        // A dot is not base64url, so this also detects more than three segments.
        split.decode(header, payload, signature).map_err(|fault| match segments() {
            Fault::Segments(3) => fault,
            other => other,
        })?;
        Ok(split)
    }

    fn decode(&mut self, header: &str, payload: &str, signature: &str) -> Result<(), Fault> {
        if self.plain.is_none() {
            decode(1, header, &mut self.bytes)?;
        }
        self.header = self.bytes.len();
        decode(2, payload, &mut self.bytes)?;
        self.payload = self.bytes.len();
        decode(3, signature, &mut self.bytes)
    }

    /// Returns the header's members, or a fault if it is invalid or has duplicates.
    pub fn header(&self) -> Result<Cow<'_, [Member<'_>]>, Fault> {
        match self.plain {
            Some(members) => Ok(Cow::Borrowed(members)),
            None => object(1, &self.bytes[..self.header]).map(Cow::Owned),
        }
    }

    /// Returns the payload's members, or a fault if it is invalid or has duplicates.
    pub fn payload(&self) -> Result<Vec<Member<'_>>, Fault> {
        object(2, &self.bytes[self.header..self.payload])
    }

    pub fn signature(&self) -> &[u8] {
        &self.bytes[self.payload..]
    }
}

fn object(segment: usize, bytes: &[u8]) -> Result<Vec<Member<'_>>, Fault> {
    let found = members::parse(bytes).map_err(|fault| Fault::Json { segment, fault })?;
    match members::duplicate(&found) {
        Some(name) => Err(Fault::Duplicate { segment, name: name.into() }),
        None => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Algorithm, IssueRequest, KeyOrigin, NumericDate, Rules, Signer};

    /// Subtracts s from the order with the type of another library, and returns the token with that signature.
    fn twin(token: &str) -> String {
        let (signed, signature) = token.rsplit_once('.').expect("a token");
        let bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        let (r, s) = bytes.split_at(bytes.len() / 2);
        let order = ORDERS.iter().find(|(length, _)| *length == signature.len()).expect("ECDSA").1;
        // Digit by digit, as on paper.
        let digits = |hex: &str| hex.chars().filter_map(|c| c.to_digit(16)).collect::<Vec<u32>>();
        let s: Vec<u32> = s.iter().flat_map(|byte| [u32::from(byte >> 4), u32::from(byte & 15)]).collect();
        let (mut borrow, mut out) = (0, Vec::new());
        for (n, s) in digits(order).into_iter().zip(s).rev() {
            let less = s + borrow;
            borrow = u32::from(less > n);
            out.push(n + 16 * borrow - less);
        }
        out.reverse();
        let s: Vec<u8> = out.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).expect("a byte")).collect();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode([r, &s].concat()))
    }

    #[test]
    fn the_twin_of_an_ecdsa_signature_verifies_and_has_the_same_id() {
        let now = NumericDate::from_seconds(1_795_380_000);
        for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512] {
            let signer = Signer::generate(algorithm).expect("a key").0;
            let rules = Rules::new(&signer);
            for n in 0..8 {
                let request = IssueRequest { user_id: format!("user{n}"), ..IssueRequest::default() };
                let token = signer.issue(&request, "7", now).expect("a token");
                let twin = twin(&token);
                assert!(*token != *twin && rules.verify(&twin, now).is_ok(), "{algorithm}");
                assert_eq!(TokenId::of(&token), TokenId::of(&twin), "{algorithm}");
                // One of both is the plain hash of its text.
                let plain = |text: &str| TokenId(Sha256::digest(text).into());
                let id = TokenId::of(&token);
                assert!((plain(&token) == id) != (plain(&twin) == id), "{algorithm}");
            }
        }
        let other = Signer::hs256(b"a secret", KeyOrigin::Program).expect("a key");
        let token = other.issue(&IssueRequest { user_id: "me".into(), ..IssueRequest::default() }, "7", now);
        let token = token.expect("a token");
        assert_eq!(TokenId::of(&token), TokenId(Sha256::digest(&*token).into()));
    }
    use rstest::rstest;

    #[test]
    fn a_plain_header_is_what_it_decodes_to() {
        for (text, plain) in &PLAIN {
            let mut bytes = Vec::new();
            decode(1, text, &mut bytes).expect("base64url");
            let members = members::parse(&bytes).expect("an object");
            assert_eq!(members, *plain);
        }
    }

    #[rstest]
    #[case::google("ya29.a0AfH6SMBx")]
    #[case::google_service_account("ya29.c.b0Aaekm1K")]
    #[case::ory("ory_at_VxB7.q1w2e3")]
    #[case::github("ghs_16C7e42F292c6912E7710c838347Ae178B4a")]
    #[case::github("gho_16C7e42F")]
    #[case::gitlab("glpat-XyZ_1234")]
    #[case::uuid("3fa85f64-5717-4562-b3fc-2c963f66afa6")]
    #[case::random("0hQ3vWfVn2pX9kLmZt5Yb1Rc")]
    fn an_opaque_token_is_recognized(#[case] token: &str) {
        assert_eq!(Split::new(token).err(), Some(Fault::Opaque));
    }

    #[rstest]
    #[case::a_word("token", "no dots, expected three segments")]
    #[case::words("not-a-token-but-some-words", "no dots, expected three segments")]
    #[case::a_header("eyJhbGciOiJIUzI1NiJ9", "no dots, expected three segments")]
    #[case::no_signature("eyJhbGciOiJIUzI1NiJ9.e30", "2 segments, expected three")]
    #[case::no_jwt("a.b", "2 segments, expected three")]
    #[case::a_sentence("0hQ3vWfVn2pX9kLmZt5Yb1Rc and more", "no dots, expected three segments")]
    fn anything_else_is_not_taken_for_an_opaque_token(#[case] token: &str, #[case] fault: &str) {
        assert_eq!(Split::new(token).err().map(|fault| fault.to_string()).as_deref(), Some(fault));
    }

    #[test]
    fn a_whole_hash_is_read_as_it_is_written_and_shown_by_its_beginning() {
        let id = TokenId::of("a.b.c");
        assert!(id.hex().starts_with(&id.to_string()) && id.to_string().len() == 8);
        assert_eq!(TokenId::from_hex(&id.hex()), Some(id));
        for broken in ["", "00", &"g".repeat(64), &"é".repeat(32), &"0".repeat(65)] {
            assert_eq!(TokenId::from_hex(broken), None, "{broken}");
        }
    }

    #[rstest]
    #[case("QUJD", None)]
    #[case("QUI", None)]
    #[case("QUI=", Some("segment 1, byte 4: base64 padding is not allowed in a token"))]
    #[case("QUJDR", Some("segment 1, byte 5: base64url ends in the middle of a byte"))]
    #[case("QUJ", Some("segment 1, byte 3: base64url ends in the middle of a byte"))]
    #[case("QU JD", Some("segment 1, byte 3: 0x20 is not base64url"))]
    #[case("Q+JD", Some("segment 1, byte 2: '+' is not base64url"))]
    #[case("Q=JDR", Some("segment 1, byte 2: base64 padding is not allowed in a token"))]
    fn a_fault_names_its_place(#[case] segment: &str, #[case] fault: Option<&str>) {
        assert_eq!(decode(1, segment, &mut Vec::new()).err().map(|fault| fault.to_string()).as_deref(), fault);
    }
}
