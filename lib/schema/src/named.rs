//! Objects by name, in little memory: a schema may have twenty thousand tables.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Index;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A few objects by name, in the order of their names. A `BTreeMap` has room for eleven from the
/// first on; this has room for what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<T>(Vec<(String, T)>);

impl<T> Default for Named<T> {
    fn default() -> Named<T> {
        Named(Vec::new())
    }
}

impl<T> Named<T> {
    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one of this name.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.find(name).ok().map(|at| &self.0[at].1)
    }

    /// The one of this name.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        self.find(name).ok().map(|at| &mut self.0[at].1)
    }

    /// Whether there is one of this name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    /// Puts one in, and gives back the one that had its name.
    pub fn insert(&mut self, name: String, object: T) -> Option<T> {
        match self.find(&name) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, object)),
            Err(at) => {
                if self.0.len() == self.0.capacity() {
                    // Doubling from four on, as a vector does by itself, is half empty most times.
                    self.0.reserve_exact(1 + self.0.len() / 4);
                }
                self.0.insert(at, (name, object));
                None
            }
        }
    }

    /// Keeps those of which this is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&String, &mut T) -> bool) {
        self.0.retain_mut(|(name, object)| keep(name, object));
    }

    /// Names and objects.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &T)> {
        self.0.iter().map(|(name, object)| (name, object))
    }

    /// The names.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.0.iter().map(|(name, _)| name)
    }

    /// The objects, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().map(|(_, object)| object)
    }

    /// The objects.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, object)| object)
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0
            .binary_search_by(|(there, _)| there.as_str().cmp(name))
    }
}

impl<T> Index<&str> for Named<T> {
    type Output = T;

    /// The one of this name.
    ///
    /// # Panics
    ///
    /// If there is none, as a map does.
    fn index(&self, name: &str) -> &T {
        match self.get(name) {
            Some(object) => object,
            None => panic!("no object is called {name}"),
        }
    }
}

impl<T> FromIterator<(String, T)> for Named<T> {
    fn from_iter<I: IntoIterator<Item = (String, T)>>(all: I) -> Named<T> {
        let mut named = Named::default();
        for (name, object) in all {
            named.insert(name, object);
        }
        named
    }
}

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Named<T>, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Named<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<T>, A::Error> {
                let mut named = Named::default();
                while let Some((name, object)) = map.next_entry()? {
                    named.insert(name, object);
                }
                Ok(named)
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_map_in_the_order_of_names() {
        let text = r#"{"b":1,"a":2,"c":3,"a":4}"#;
        let mut named: Named<u32> = serde_json::from_str(text).unwrap_or_default();
        assert_eq!(
            serde_json::to_string(&named).ok().as_deref(),
            Some(r#"{"a":4,"b":1,"c":3}"#)
        );
        named.retain(|name, value| name != "b" && *value > 3);
        assert!(named.len() == 1 && named["a"] == 4 && !named.contains_key("b"));
        assert_eq!(named.get("z"), None);
        assert_eq!(named.get_mut("a"), Some(&mut 4));
    }
}
