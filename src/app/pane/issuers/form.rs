//! The form of an issuer to accept, and what a paste offers to put into it. Nothing here changes the rules.

use std::sync::Arc;

use crate::app::field::{Lines, TextField};
use crate::app::list::next_of;
use crate::auth::keys::jwk::KeysRead;
use crate::auth::keys::read_public;
use crate::auth::mapping::Preset;
use crate::auth::{Issuer, KeyOrigin};
use crate::text;
use crate::text::material::{Keys, Material};

/// The name shown for an issuer that accepts any `iss`.
pub const ANY: &str = "any iss";

/// A field of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the labels below say what each is")]
pub enum IssuerField {
    Source,
    Address,
    Name,
    Preset,
    Audiences,
}

impl IssuerField {
    /// Returns the label beside it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Source => "keys at",
            Self::Address => "URL",
            Self::Name => "iss",
            Self::Preset => "claims",
            Self::Audiences => "audiences",
        }
    }

    /// Returns the hint in the empty field.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Address => "https://… (http on loopback)",
            Self::Name => "any: the keys are not bound to an issuer",
            Self::Audiences => "any; several are separated by spaces",
            Self::Source | Self::Preset => "",
        }
    }
}

/// The document at the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressOf {
    /// The issuer's metadata, which names the key set.
    Issuer,
    /// The key set itself.
    KeySet,
}

impl AddressOf {
    /// Returns the words shown for it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Issuer => "the issuer's URL, by discovery",
            Self::KeySet => "the URL of a key set (JWKS)",
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Issuer => Self::KeySet,
            Self::KeySet => Self::Issuer,
        }
    }
}

/// Where the keys of a new issuer come from.
#[derive(Clone, Debug)]
pub enum NewKeys {
    /// The address in the form.
    At(AddressOf),
    /// A paste.
    Pasted(Arc<KeysRead>),
}

/// An issuer to accept, being edited.
#[derive(Debug)]
pub struct IssuerForm {
    /// The field under the cursor.
    pub field: IssuerField,
    /// Where its keys come from.
    pub keys: NewKeys,
    /// The address of its metadata or of its keys.
    pub address: TextField,
    /// The `iss` of its tokens; empty for any. Discovery takes the address.
    pub name: TextField,
    /// The chosen preset; `None` for a guess, or for the claims that an accepted issuer already has.
    pub preset: Option<&'static Preset>,
    /// The audiences, separated by spaces; empty for any.
    pub audiences: TextField,
    /// The audiences that a paste named.
    offered: String,
    /// The audiences that were filled in last: the field follows the issuer until it is edited.
    prefilled: String,
    /// The error of the last attempt.
    pub fault: Option<String>,
}

impl IssuerForm {
    pub(super) fn new(keys: NewKeys, name: &str, audiences: &str) -> Self {
        let one = |text: &str| TextField::new(text, Lines::One);
        let is_address = matches!(keys, NewKeys::At(AddressOf::Issuer));
        let mut form = Self {
            field: if is_address { IssuerField::Address } else { IssuerField::Name },
            keys,
            address: one(if is_address { name } else { "" }),
            name: one(name),
            preset: None,
            audiences: one(audiences),
            offered: audiences.to_owned(),
            prefilled: audiences.to_owned(),
            fault: None,
        };
        form.select();
        form
    }

    /// Returns the fields of the form, in order.
    pub const fn fields(&self) -> &'static [IssuerField] {
        use IssuerField::{Address, Audiences, Name, Preset, Source};
        match self.keys {
            NewKeys::At(AddressOf::Issuer) => &[Source, Address, Preset, Audiences],
            NewKeys::At(AddressOf::KeySet) => &[Source, Address, Name, Preset, Audiences],
            NewKeys::Pasted(_) => &[Name, Preset, Audiences],
        }
    }

    /// Returns the `iss` of its tokens, if it has one.
    pub fn issuer(&self) -> Option<&str> {
        let field = match self.keys {
            NewKeys::At(AddressOf::Issuer) => &self.address,
            _ => &self.name,
        };
        Some(field.text().trim()).filter(|name| !name.is_empty())
    }

    /// Fills in the audiences that the issuer has at present, or else those of the paste, unless they were edited.
    pub(super) fn prefill(&mut self, present: Option<&Issuer>) {
        if self.audiences.text() != self.prefilled {
            return;
        }
        self.prefilled = match present {
            Some(issuer) if self.offered.is_empty() => issuer.audiences.join(" "),
            _ => self.offered.clone(),
        };
        self.audiences.set(&self.prefilled);
    }

    /// Returns the audiences; empty for any.
    pub(super) fn audiences(&self) -> Arc<[Arc<str>]> {
        let words = self.audiences.text().split([' ', ',']);
        words.filter(|audience| !audience.is_empty()).map(Arc::from).collect()
    }

    /// Returns the label of Enter.
    pub const fn act(&self) -> &'static str {
        match self.keys {
            NewKeys::At(_) => "accept this issuer",
            NewKeys::Pasted(_) => "use these keys",
        }
    }

    /// Whether the cursor is on a choice rather than in a text.
    pub const fn on_choice(&self) -> bool {
        self.text(self.field).is_none()
    }

    /// The text of a field; `None` for a choice.
    pub const fn text(&self, field: IssuerField) -> Option<&TextField> {
        match field {
            IssuerField::Address => Some(&self.address),
            IssuerField::Name => Some(&self.name),
            IssuerField::Audiences => Some(&self.audiences),
            IssuerField::Source | IssuerField::Preset => None,
        }
    }

    /// The text that the cursor is in, if it is in one.
    pub const fn text_mut(&mut self) -> Option<&mut TextField> {
        match self.field {
            IssuerField::Address => Some(&mut self.address),
            IssuerField::Name => Some(&mut self.name),
            IssuerField::Audiences => Some(&mut self.audiences),
            IssuerField::Source | IssuerField::Preset => None,
        }
    }

    pub(in crate::app) fn step(&mut self, by: isize) {
        self.field = next_of(self.fields(), &self.field, by);
        self.select();
    }

    /// Lets typing replace the whole text of the field, as where it was filled in.
    fn select(&mut self) {
        if let Some(text) = self.text_mut() {
            text.replaced_by_typing = !text.is_empty();
        }
    }

    /// Takes the address of a key set for one, where it was typed as that of an issuer. Returns whether it was.
    pub(super) fn recognize_key_set(&mut self) -> bool {
        let path = self.address.text().trim().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let has_extension = path.rsplit_once('.').is_some_and(|(_, extension)| extension.eq_ignore_ascii_case("json"));
        let is_set = has_extension || ["jwks", "certs", "keys"].contains(&path);
        if !matches!(self.keys, NewKeys::At(AddressOf::Issuer)) || !is_set {
            return false;
        }
        self.keys = NewKeys::At(AddressOf::KeySet);
        self.field = IssuerField::Name;
        self.fault =
            Some("this is the URL of a key set: enter the iss of its tokens, or leave it empty for any".to_owned());
        true
    }

    /// Changes the kind of the address.
    pub(super) fn turn_source(&mut self) {
        if let NewKeys::At(kind) = self.keys {
            self.keys = NewKeys::At(kind.other());
        }
    }

    /// Takes pasted keys instead of the address. Returns whether the paste has any.
    pub(in crate::app) fn take_paste(&mut self, material: &Material, text: &str) -> bool {
        let Offer::Keys(read) = Offer::of(material, text) else {
            return false;
        };
        if let (NewKeys::At(AddressOf::Issuer), true) = (&self.keys, self.name.is_empty()) {
            self.name.set(self.address.text());
        }
        self.keys = NewKeys::Pasted(read);
        self.field = IssuerField::Name;
        self.fault = None;
        true
    }
}

/// The action that a paste other than a token offers.
#[derive(Clone, Debug)]
pub enum Offer {
    /// It can only be explained.
    Nothing,
    /// Its keys can be used as those of an issuer.
    Keys(Arc<KeysRead>),
    /// It has keys, none of which can be used; why. Safe to show.
    Useless(String),
    /// It has a private key or a shared secret, which is not kept.
    Private,
    /// Tokens of this issuer can be accepted, for these audiences.
    Issuer(String, String),
}

impl Offer {
    /// Reads the public keys in a paste. Private keys are not read.
    pub fn of(material: &Material, text: &str) -> Self {
        match material {
            Material::Response(_) => Self::Nothing,
            Material::Metadata(metadata) => match metadata.issuers.first() {
                Some(issuer) => Self::Issuer(issuer.clone(), metadata.resource.clone().unwrap_or_default()),
                None => Self::Nothing,
            },
            Material::Keys(Keys { keys, .. }) if keys.iter().any(|key| key.is_secret) => Self::Private,
            Material::Keys(_) => match read_public(text.trim().as_bytes(), KeyOrigin::Typed) {
                Ok(read) if !read.keys.is_empty() => Self::Keys(Arc::new(read)),
                Ok(read) => {
                    let why = read.refused.first().map_or_else(String::new, |refused| format!("; {refused}"));
                    Self::Useless(format!("no usable key{why}"))
                }
                Err(error) => Self::Useless(error.to_string()),
            },
        }
    }

    /// Returns the label of Enter.
    pub const fn act(&self) -> Option<&'static str> {
        match self {
            Self::Keys(_) => Some("use as the keys of an issuer"),
            Self::Issuer(..) => Some("accept this issuer"),
            Self::Nothing | Self::Useless(_) | Self::Private => None,
        }
    }

    /// Returns what can be done, as a sentence. Safe to show.
    pub fn words(&self, suggested: Option<&str>) -> Option<String> {
        Some(match self {
            Self::Nothing => return None,
            Self::Keys(_) => match suggested {
                Some(iss) => {
                    format!("Press Enter to use these keys for {}, the iss of the selected token.", text::name(iss, 100))
                },
                None => "Press Enter to use these keys for an issuer; you will be asked for its iss.".to_owned(),
            },
            Self::Useless(why) => format!("These keys cannot verify tokens: {why}"),
            Self::Private => "This text contains a private key or secret and was discarded. To sign with it, save it to a \
                              file and start with --signing-key FILE; `portcullis keys jwks FILE` writes its public half."
                .to_owned(),
            Self::Issuer(issuer, _) => format!("Press Enter to accept tokens of {}.", text::name(issuer, 100)),
        })
    }
}
