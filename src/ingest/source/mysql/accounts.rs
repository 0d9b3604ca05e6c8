//! What accounts and roles of MySQL and MariaDB have in the end, from the rows of the server's grant tables.
//!
//! Pure. The server gives a connection the account whose host fits it best, and of entries for databases the one that fits best,
//! which may give less than another one that fits too. A reader of ours has no host. So a user has what all accounts of
//! its name have, and an entry with wildcards counts where no other one fits. A role counts where it is active without being set.

use std::collections::{BTreeMap, BTreeSet};

use super::super::privileges::{Held, HeldTable, Holder, HolderId, HolderKind, Part};

/// The name and the host of an account; a role of MariaDB has no host.
pub(super) type Key = (String, String);

/// The grant tables.
#[derive(Debug, Default)]
pub(super) struct Grants {
    pub accounts: BTreeMap<Key, Account>,
    /// Roles that an account or a role was granted.
    pub granted: BTreeSet<(Key, Key)>,
    pub schemas: Vec<OnSchema>,
    /// On a table, by its schema and name.
    pub tables: BTreeMap<(Key, String, String), Rights>,
    /// On the columns of a table, with their names in small letters.
    pub columns: BTreeMap<(Key, String, String), Vec<(String, Rights)>>,
    /// Whether `_` and `%` in the name of a schema are only letters.
    pub is_literal: bool,
}

/// An account or a role.
#[derive(Debug, Default, Clone)]
pub(super) struct Account {
    pub is_role: bool,
    /// Whether somebody can sign in with it.
    pub signs_in: bool,
    pub is_super: bool,
    /// On everything.
    pub everywhere: Rights,
    /// Whether some schemas are taken out of that.
    pub is_restricted: bool,
    /// The roles that are active from the start.
    pub defaults: BTreeSet<Key>,
}

/// What is granted on the schemas of one pattern.
#[derive(Debug, Clone)]
pub(super) struct OnSchema {
    pub key: Key,
    pub pattern: String,
    pub rights: Rights,
}

/// Reading, and adding rows.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rights {
    pub select: bool,
    pub insert: bool,
}

impl Rights {
    fn or(self, other: Self) -> Self {
        Self { select: self.select || other.select, insert: self.insert || other.insert }
    }

    fn and(self, other: Self) -> Self {
        Self { select: self.select && other.select, insert: self.insert && other.insert }
    }
}

/// Roles and users as holders.
pub(super) struct Accounts<'a> {
    grants: &'a Grants,
    pub holders: Vec<Holder>,
    /// The accounts that each of `holders` is.
    keys: Vec<Vec<Key>>,
}

/// The role that everybody has in MariaDB.
const PUBLIC: (&str, &str) = ("PUBLIC", "");

impl<'a> Accounts<'a> {
    pub fn of(grants: &'a Grants) -> Self {
        let mut all = Self { grants, holders: Vec::new(), keys: Vec::new() };
        for (key, account) in &grants.accounts {
            if account.is_role {
                let kind = if is_public(key) { HolderKind::Everyone } else { HolderKind::Group };
                all.add(key.0.clone(), kind, vec![key.clone()]);
            }
        }
        for (name, keys) in grants.users() {
            if keys.iter().any(|key| grants.signs_in(key)) {
                all.add(name.to_owned(), HolderKind::User, keys);
            }
        }
        let roles = all.keys.iter().enumerate().filter(|(at, _)| all.is_role(*at));
        let ids =
            roles.filter_map(|(at, keys)| Some((keys.first()?.clone(), at))).collect::<BTreeMap<_, _>>();
        let reaches =
            all.keys.iter().enumerate().map(|(at, keys)| all.reaches(at, keys, &ids)).collect::<Vec<_>>();
        for (holder, reaches) in all.holders.iter_mut().zip(reaches) {
            holder.reaches = reaches;
        }
        all
    }

    fn add(&mut self, name: String, kind: HolderKind, keys: Vec<Key>) {
        let accounts = keys.iter().filter_map(|key| self.grants.accounts.get(key)).collect::<Vec<_>>();
        let unbound = accounts.iter().any(|account| account.is_super).then(|| {
            format!(
                "`{name}` has SUPER and may give itself anything in the source: it is granted nothing here"
            )
        });
        let mut notes = Vec::new();
        if keys.len() > 1 && kind == HolderKind::User {
            let hosts = keys.iter().map(|(_, host)| host.as_str()).collect::<Vec<_>>().join("`, `");
            notes.push(format!("`{name}` is several accounts, at `{hosts}`: it has what all of them have"));
        }
        if accounts.iter().any(|account| account.is_restricted) {
            notes.push(format!(
                "some schemas are taken out of what `{name}` has everywhere: that is left out here"
            ));
        }
        let given = keys.iter().flat_map(|key| self.grants.roles_granted_to(key));
        let is_role = kind != HolderKind::User;
        let asked_for =
            given.filter(|role| !keys.iter().all(|key| self.grants.active(key, is_role).contains(*role)));
        for role in asked_for.map(|(role, _)| role).collect::<BTreeSet<_>>() {
            notes.push(format!("`{name}` has `{role}` only after SET ROLE: it is no member of it here"));
        }
        self.holders.push(Holder { name, kind, reaches: BTreeSet::new(), unbound, notes });
        self.keys.push(keys);
    }

    fn is_role(&self, at: HolderId) -> bool {
        self.holders.get(at).is_some_and(|holder| holder.kind != HolderKind::User)
    }

    /// The roles that all accounts of a holder have without asking.
    fn reaches(&self, at: HolderId, keys: &[Key], ids: &BTreeMap<Key, HolderId>) -> BTreeSet<HolderId> {
        let of = |key: &Key| {
            let mut active = self.grants.active(key, self.is_role(at));
            if self.is_role(at) {
                active.remove(key);
            }
            active
        };
        let mut all = keys.iter().map(of);
        let first = all.next().unwrap_or_default();
        let common = all.fold(first, |common, active| common.intersection(&active).cloned().collect());
        common.iter().filter_map(|role| ids.get(role)).copied().collect()
    }

    /// What each holder has on a table.
    pub fn held(&self, table: &HeldTable) -> BTreeMap<HolderId, Held> {
        let of = |(at, keys): (usize, &Vec<Key>)| {
            let mut all = keys.iter().map(|key| self.grants.held(key, self.is_role(at), table));
            let first = all.next()?;
            let held = all.fold(first, |one, other| Held {
                usage: true,
                select: one.select.and(other.select),
                insert: one.insert.and(other.insert),
            });
            (held.select != Part::Nothing || held.insert != Part::Nothing).then_some((at, held))
        };
        self.keys.iter().enumerate().filter_map(of).collect()
    }
}

impl Grants {
    /// The accounts of each name that is a user's. An entry of an account that is not there any more counts as an account without it, so
    /// that it takes away and gives nothing.
    fn users(&self) -> BTreeMap<&str, Vec<Key>> {
        let mut users = BTreeMap::<&str, Vec<Key>>::new();
        for (key, account) in &self.accounts {
            // The account without a name is anybody.
            if !key.0.is_empty() && (account.signs_in || !account.is_role) {
                users.entry(&key.0).or_default().push(key.clone());
            }
        }
        users
    }

    fn signs_in(&self, key: &Key) -> bool {
        self.accounts.get(key).is_some_and(|account| account.signs_in)
    }

    fn roles_granted_to<'s>(&'s self, key: &'s Key) -> impl Iterator<Item = &'s Key> {
        self.granted.iter().filter(move |(member, _)| member == key).map(|(_, role)| role)
    }

    /// The roles that are active in a connection as `key`, or that it brings along as a role: with those that they have.
    fn active(&self, key: &Key, is_role: bool) -> BTreeSet<Key> {
        let account = self.accounts.get(key);
        let is_active =
            |role: &&Key| is_role || account.is_some_and(|account| account.defaults.contains(*role));
        let mut waiting = self.roles_granted_to(key).filter(is_active).cloned().collect::<Vec<_>>();
        waiting.extend(self.accounts.keys().filter(|other| is_public(other) && *other != key).cloned());
        let mut active = BTreeSet::new();
        while let Some(role) = waiting.pop() {
            if active.insert(role.clone()) {
                waiting.extend(self.roles_granted_to(&role).cloned());
            }
        }
        active
    }

    /// What a connection as `key` has on a table, or what `key` is as a role; nothing where nobody can sign in with it.
    fn held(&self, key: &Key, is_role: bool, table: &HeldTable) -> Held {
        if !is_role && !self.signs_in(key) {
            return Held::default();
        }
        let mut held = self.own(key, is_role, table);
        for role in self.active(key, is_role) {
            let more = self.own(&role, true, table);
            held.select = held.select.or(more.select);
            held.insert = held.insert.or(more.insert);
        }
        Held { usage: true, ..held }
    }

    fn own(&self, key: &Key, is_role: bool, table: &HeldTable) -> Held {
        let schema = table.schema.clone().unwrap_or_default();
        let account = self.accounts.get(key).cloned().unwrap_or_default();
        let everywhere = if account.is_restricted { Rights::default() } else { account.everywhere };
        let at = (key.clone(), schema.clone(), table.name.clone());
        let on_table = self.tables.get(&at).copied().unwrap_or_default();
        let whole = everywhere.or(self.on_schema(key, is_role, &schema)).or(on_table);
        let columns = |has: fn(&Rights) -> bool| {
            let named = self.columns.get(&at).into_iter().flatten().filter(|(_, rights)| has(rights));
            let named = named.map(|(name, _)| name.as_str()).collect::<BTreeSet<_>>();
            let fits = |name: &str| named.contains(name.to_lowercase().as_str());
            let names = table.columns.iter().map(|column| column.name.clone());
            Part::columns(names.filter(|name| fits(name)))
        };
        Held {
            usage: true,
            select: if whole.select { Part::All } else { columns(|rights| rights.select) },
            insert: if whole.insert { Part::All } else { columns(|rights| rights.insert) },
        }
    }

    /// What entries for `schema` give. The one that fits best counts alone, and which that is depends on the host of the connection and on
    /// what other roles bring along: so one with wildcards gives what every entry that fits gives.
    fn on_schema(&self, key: &Key, is_role: bool, schema: &str) -> Rights {
        let fitting = self.schemas.iter().filter(|entry| fits(&entry.pattern, schema, self.is_literal));
        let is_beside = |entry: &&OnSchema| {
            entry.key.0.is_empty()
                || is_role && self.accounts.get(&entry.key).is_some_and(|account| account.is_role)
        };
        let (mine, beside): (Vec<_>, Vec<_>) = fitting
            .filter(|entry| entry.key == *key || is_beside(entry))
            .partition(|entry| entry.key == *key);
        let exact = mine.iter().find(|entry| self.is_literal || is_plain(&entry.pattern));
        let counted = match exact {
            Some(exact) => vec![*exact],
            None => mine.clone(),
        };
        let Some(rights) = counted.iter().map(|entry| entry.rights).reduce(Rights::and) else {
            return Rights::default();
        };
        // Of roles, an entry for the same name is added up with this one and takes nothing from it.
        let takes = |entry: &&&OnSchema| entry.key.0.is_empty() || exact.is_none();
        beside.iter().filter(takes).fold(rights, |rights, entry| rights.and(entry.rights))
    }
}

fn is_public(key: &Key) -> bool {
    (key.0.as_str(), key.1.as_str()) == PUBLIC
}

/// Whether `pattern` has no wildcards: each is behind a `\`.
fn is_plain(pattern: &str) -> bool {
    let mut escaped = false;
    pattern.bytes().all(|letter| {
        let is_wild = !escaped && (letter == b'_' || letter == b'%');
        escaped = !escaped && letter == b'\\';
        !is_wild
    })
}

/// Whether the name of a schema is one that `pattern` means, byte by byte as the server compares.
fn fits(pattern: &str, name: &str, is_literal: bool) -> bool {
    if is_literal {
        return pattern == name;
    }
    let pieces = pieces(pattern);
    let mut rest = name.as_bytes();
    let Some((last, pieces)) = pieces.split_last() else { return rest.is_empty() };
    for (at, piece) in pieces.iter().enumerate() {
        // What is behind a `%` may begin anywhere, and nothing is lost where it begins as early as it can.
        let begins = if at == 0 { 0..=0 } else { 0..=rest.len() };
        match begins.into_iter().find_map(|from| behind(rest.get(from..)?, piece)) {
            Some(found) => rest = found,
            None => return false,
        }
    }
    let end = if pieces.is_empty() { Some(0) } else { rest.len().checked_sub(last.len()) };
    end.and_then(|from| behind(rest.get(from..)?, last)).is_some_and(<[u8]>::is_empty)
}

/// What stands between the `%` of a pattern, byte by byte; none is any byte.
fn pieces(pattern: &str) -> Vec<Vec<Option<u8>>> {
    let (mut pieces, mut piece) = (Vec::new(), Vec::new());
    let mut letters = pattern.bytes();
    while let Some(letter) = letters.next() {
        match letter {
            b'%' => pieces.push(std::mem::take(&mut piece)),
            b'_' => piece.push(None),
            b'\\' => piece.push(Some(letters.next().unwrap_or(b'\\'))),
            letter => piece.push(Some(letter)),
        }
    }
    pieces.push(piece);
    pieces
}

/// What is behind `piece`, if `text` begins with it.
fn behind<'a>(text: &'a [u8], piece: &[Option<u8>]) -> Option<&'a [u8]> {
    let (begin, rest) = text.split_at_checked(piece.len())?;
    let is_it = begin.iter().zip(piece).all(|(letter, wanted)| wanted.is_none_or(|wanted| wanted == *letter));
    is_it.then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_in_the_name_of_a_schema() {
        for (pattern, name, expected) in [
            ("shop", "shop", true),
            ("shop", "Shop", false),
            ("shop%", "shop", true),
            ("sh_p", "shop", true),
            ("sh\\_p", "shop", false),
            ("sh\\_p", "sh_p", true),
            ("%a%", "bab", true),
            ("_", "é", false),
            ("a\\", "a\\", true),
            ("", "", true),
            ("%", "", true),
            ("", "a", false),
            ("a%", "ba", false),
            ("%a", "ab", false),
            ("a%a", "a", false),
            ("a%_b", "ab", false),
            ("a%_b", "axb", true),
            ("%ab%c", "aabxc", true),
            ("a\\%%", "a%", true),
            // However many ways there are, they are not all tried.
            ("%a".repeat(30).as_str(), "a".repeat(60).as_str(), true),
            (("%a".repeat(30) + "b").as_str(), "a".repeat(60).as_str(), false),
        ] {
            assert_eq!(fits(pattern, name, false), expected, "{pattern} {name}");
        }
        assert!(!fits("sh_p", "shop", true) && fits("sh_p", "sh_p", true));
        assert!(is_plain("a\\_b\\%") && is_plain("a\\\\") && !is_plain("a_b") && !is_plain("a\\\\%"));
    }

    const READ: Rights = Rights { select: true, insert: false };
    const ADD: Rights = Rights { select: false, insert: true };

    fn key(name: &str, host: &str) -> Key {
        (name.to_owned(), host.to_owned())
    }

    fn user() -> Account {
        Account { signs_in: true, ..Account::default() }
    }

    /// What is held on the table `shop.t` with the columns `a` and `B`, by name.
    fn held(grants: &Grants) -> BTreeMap<String, Part> {
        use super::super::super::privileges::{HeldColumn, Values};
        let columns = ["a", "B"].map(|name| HeldColumn { name: name.to_owned(), values: Values::Other });
        let table = HeldTable {
            schema: Some("shop".to_owned()),
            name: "t".to_owned(),
            columns: columns.into(),
            ..HeldTable::default()
        };
        let accounts = Accounts::of(grants);
        let named = |(id, held): (HolderId, Held)| (accounts.holders[id].name.clone(), held.select);
        accounts.held(&table).into_iter().map(named).filter(|(_, select)| *select != Part::Nothing).collect()
    }

    fn on_schemas(entries: &[(&str, &str, &str, Rights)]) -> Vec<OnSchema> {
        let entry = |(name, host, pattern, rights): &(&str, &str, &str, Rights)| OnSchema {
            key: key(name, host),
            pattern: (*pattern).to_owned(),
            rights: *rights,
        };
        entries.iter().map(entry).collect()
    }

    #[test]
    fn of_entries_for_schemas_the_one_that_fits_best_counts() {
        for (entries, expected) in [
            (&[("u", "%", "shop", READ)][..], true),
            (&[("u", "%", "sh%", READ)], true),
            (&[("u", "%", "sh%", READ), ("u", "%", "shop", ADD)], false),
            (&[("u", "%", "sh%", ADD), ("u", "%", "shop", READ)], true),
            (&[("u", "%", "sh%", READ), ("u", "%", "s%", ADD)], false),
            (&[("u", "%", "sh%", READ), ("u", "%", "x%", ADD)], true),
            (&[("u", "%", "shop", READ), ("", "localhost", "s%", ADD)], false),
            (&[("", "%", "shop", READ)], false),
        ] {
            let accounts = [(key("u", "%"), user())].into();
            let grants = Grants { accounts, schemas: on_schemas(entries), ..Grants::default() };
            assert_eq!(held(&grants).contains_key("u"), expected, "{entries:?}");
        }
    }

    #[test]
    fn a_user_of_several_accounts_has_what_all_of_them_have() {
        let mut grants = Grants {
            accounts: [(key("u", "%"), user()), (key("u", "10.%"), user())].into(),
            schemas: on_schemas(&[("u", "%", "shop", READ)]),
            ..Grants::default()
        };
        assert!(held(&grants).is_empty());
        let at = (key("u", "10.%"), "shop".to_owned(), "t".to_owned());
        grants.columns.insert(at, vec![("b".to_owned(), READ), ("a".to_owned(), ADD)]);
        assert_eq!(held(&grants)["u"], Part::columns(["B".to_owned()]));
        assert!(Accounts::of(&grants).holders[0].notes[0].contains("several accounts"));
        grants.accounts.get_mut(&key("u", "%")).unwrap().signs_in = false;
        assert!(held(&grants).is_empty());
    }

    #[test]
    fn a_role_counts_where_it_is_active_from_the_start() {
        let role = Account { is_role: true, ..Account::default() };
        let mut grants = Grants {
            accounts: [
                (key("inner", ""), role.clone()),
                (key("outer", ""), role),
                (key("u", "%"), user()),
                (key("asks", "%"), user()),
            ]
            .into(),
            granted: [
                (key("outer", ""), key("inner", "")),
                (key("u", "%"), key("outer", "")),
                (key("asks", "%"), key("outer", "")),
            ]
            .into(),
            schemas: on_schemas(&[("inner", "", "s%", READ)]),
            ..Grants::default()
        };
        grants.accounts.get_mut(&key("u", "%")).unwrap().defaults = [key("outer", "")].into();
        assert_eq!(held(&grants).keys().collect::<Vec<_>>(), ["inner", "outer", "u"]);
        let accounts = Accounts::of(&grants);
        let of = |name: &str| accounts.holders.iter().find(|holder| holder.name == name).unwrap();
        assert_eq!((of("u").reaches.len(), of("asks").reaches.len(), of("outer").reaches.len()), (2, 0, 1));
        assert!(of("asks").notes[0].contains("only after SET ROLE"));
        // What another role has on the very schema is what counts for whoever has both.
        grants.schemas.extend(on_schemas(&[("outer", "", "shop", ADD)]));
        assert!(held(&grants).is_empty());
        // A role that is a default and was taken away is not active.
        grants.schemas.pop();
        grants.granted.remove(&(key("u", "%"), key("outer", "")));
        assert_eq!(held(&grants).keys().collect::<Vec<_>>(), ["inner", "outer"]);
    }

    #[test]
    fn what_is_taken_out_of_everywhere_takes_all_of_it() {
        let everywhere = Account { everywhere: READ, ..user() };
        let restricted = Account { is_restricted: true, ..everywhere.clone() };
        let accounts = [(key("all", "%"), everywhere), (key("some", "%"), restricted)].into();
        let grants = Grants { accounts, ..Grants::default() };
        assert_eq!(held(&grants), [("all".to_owned(), Part::All)].into());
    }
}
