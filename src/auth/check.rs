//! The checks in their order, and the three verdicts. Their codes are an interface: scripts and servers read them.

/// One check of the gate. The order of the variants is the order in which checks are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// A token is present and not too large.
    Present,
    /// The token has three segments of strict base64url: two JSON objects without duplicate members, and a signature.
    Structure,
    /// The header names a known algorithm and key, and no unsupported extension.
    Header,
    /// The signature matches.
    Signature,
    /// The required claims are present and well typed.
    Claims,
    /// `nbf <= now + leeway`, and `now < exp + leeway`.
    Time,
    /// Issuer and audience are the expected ones.
    Binding,
    /// Neither the token nor its `jti` has been revoked.
    Revocation,
    /// The policy contains the tool.
    Tool,
    /// The principal holds one of the tool's permissions.
    Permission,
}

impl Check {
    /// Every check, in order.
    pub const ALL: [Self; 10] = [
        Self::Present,
        Self::Structure,
        Self::Header,
        Self::Signature,
        Self::Claims,
        Self::Time,
        Self::Binding,
        Self::Revocation,
        Self::Tool,
        Self::Permission,
    ];

    /// The label in a trace: a noun phrase that is true if the check passed.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Present => "token present",
            Self::Structure => "well formed",
            Self::Header => "algorithm and key",
            Self::Signature => "signature",
            Self::Claims => "claims well typed",
            Self::Time => "time",
            Self::Binding => "issuer and audience",
            Self::Revocation => "not revoked",
            Self::Tool => "tool known",
            Self::Permission => "permission held",
        }
    }

    /// The check's code, for scripts.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Structure => "structure",
            Self::Header => "header",
            Self::Signature => "signature",
            Self::Claims => "claims",
            Self::Time => "time",
            Self::Binding => "binding",
            Self::Revocation => "revocation",
            Self::Tool => "tool",
            Self::Permission => "permission",
        }
    }

    /// The light that shows this check; `None` for the last two, which are about the tool.
    pub const fn light(self) -> Option<Light> {
        match self {
            Self::Present | Self::Structure => Some(Light::Structure),
            Self::Header | Self::Signature => Some(Light::Signature),
            Self::Claims | Self::Binding | Self::Revocation => Some(Light::Claims),
            Self::Time => Some(Light::Time),
            Self::Tool | Self::Permission => None,
        }
    }
}

/// The four lights of an inspection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the words on the screen")]
pub enum Light {
    Structure,
    Signature,
    Time,
    Claims,
}

impl Light {
    /// Every light, in the order shown.
    pub const ALL: [Self; 4] = [Self::Structure, Self::Signature, Self::Time, Self::Claims];

    /// The word shown beside it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Signature => "signature",
            Self::Time => "time",
            Self::Claims => "claims",
        }
    }

    /// A shorter word for narrow columns.
    pub const fn short_word(self) -> &'static str {
        match self {
            Self::Structure => "struct",
            Self::Signature => "sign",
            Self::Time | Self::Claims => self.word(),
        }
    }
}

/// The gate's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the words on the screen")]
pub enum Verdict {
    Allowed,
    Forbidden,
    Unauthorized,
}

impl Verdict {
    /// The word shown, in capitals.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allowed => "ALLOWED",
            Self::Forbidden => "FORBIDDEN",
            Self::Unauthorized => "UNAUTHORIZED",
        }
    }

    /// The sign shown before it.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Allowed => "✔",
            Self::Forbidden => "✘",
            Self::Unauthorized => "–",
        }
    }
}

/// The result of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum CheckResult {
    Yes,
    No,
    NotReached,
}

impl CheckResult {
    /// The sign shown before the check.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Yes => "✔",
            Self::No => "✘",
            Self::NotReached => "·",
        }
    }
}
