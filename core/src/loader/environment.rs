//! Rank and world as launchers tell them.

use super::partition::MOST_WORLD;
use super::plan_error::{PlanError, Result};

/// Where launchers put a process's rank and the number of ranks. PMIx has no variable for the
/// second.
const SOURCES: [(&str, Option<&str>); 5] = [
    ("OMPI_COMM_WORLD_RANK", Some("OMPI_COMM_WORLD_SIZE")),
    ("PMI_RANK", Some("PMI_SIZE")),
    ("PMIX_RANK", None),
    ("SLURM_PROCID", Some("SLURM_NTASKS")),
    ("RANK", Some("WORLD_SIZE")),
];

/// One process's place among several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranks {
    /// Which one it is.
    pub rank: u32,
    /// How many there are.
    pub world: u32,
}

/// A variable that is set.
#[derive(Clone, Copy)]
struct Set {
    name: &'static str,
    value: u32,
}

impl Ranks {
    /// What the variables that `get` gives tell. A launcher has to tell both rank and world; what
    /// other launchers left there must not differ from it.
    ///
    /// # Errors
    /// [`PlanError::Environment`] where nothing is set, a value is no number, one of the two is
    /// missing, the rank isn't below the world, or variables differ.
    pub fn from_environment(get: impl Fn(&str) -> Option<String>) -> Result<Ranks> {
        let mut ranks: Vec<Set> = Vec::new();
        let mut worlds: Vec<Set> = Vec::new();
        let mut whole = None;
        let mut half = None;
        for (rank_name, world_name) in SOURCES {
            let rank = read(&get, rank_name)?;
            let world = match world_name {
                Some(name) => read(&get, name)?,
                None => None,
            };
            match (rank, world) {
                (Some(rank), Some(world)) => whole = whole.or(Some((rank, world))),
                (Some(set), None) => half = half.or(Some((set, world_name))),
                (None, Some(set)) => half = half.or(Some((set, Some(rank_name)))),
                (None, None) => {}
            }
            ranks.extend(rank);
            worlds.extend(world);
        }
        agree(&ranks)?;
        agree(&worlds)?;
        let Some((rank, world)) = whole else {
            return Err(incomplete(half));
        };
        if world.value == 0 || world.value > MOST_WORLD || rank.value >= world.value {
            return refuse(format!(
                "{} is {} and {} is {}; ranks are below the world, which is at most {MOST_WORLD}",
                rank.name, rank.value, world.name, world.value
            ));
        }
        Ok(Ranks {
            rank: rank.value,
            world: world.value,
        })
    }
}

fn read(get: &impl Fn(&str) -> Option<String>, name: &'static str) -> Result<Option<Set>> {
    let Some(text) = get(name) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(value) => Ok(Some(Set { name, value })),
        Err(_) => refuse(format!("{name} is {text:?}, which is no number of a rank")),
    }
}

fn agree(all: &[Set]) -> Result<()> {
    let mut others = all.iter();
    let Some(first) = others.next() else {
        return Ok(());
    };
    match others.find(|other| other.value != first.value) {
        Some(other) => refuse(format!(
            "{} is {}, but {} is {}; give rank and world yourself",
            first.name, first.value, other.name, other.value
        )),
        None => Ok(()),
    }
}

#[cold]
fn incomplete(half: Option<(Set, Option<&str>)>) -> PlanError {
    let why = match half {
        Some((set, Some(missing))) => {
            format!("{} is {}, but {missing} isn't set", set.name, set.value)
        }
        Some((set, None)) => format!(
            "{} is {}, but nothing tells the number of ranks; give rank and world yourself",
            set.name, set.value
        ),
        None => {
            let mut names = String::new();
            for (rank, world) in SOURCES {
                let between = if names.is_empty() { "" } else { ", " };
                names.push_str(between);
                names.push_str(rank);
                if let Some(world) = world {
                    names.push_str(" with ");
                    names.push_str(world);
                }
            }
            format!("none of these is set: {names}")
        }
    };
    PlanError::Environment { why }
}

fn refuse<T>(why: String) -> Result<T> {
    Err(PlanError::Environment { why })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn ranks(set: &[(&str, &str)]) -> std::result::Result<(u32, u32), String> {
        let get = |name: &str| {
            let found = set.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        match Ranks::from_environment(get) {
            Ok(ranks) => Ok((ranks.rank, ranks.world)),
            Err(error) => {
                let text = error.to_string();
                let start = "rank and world can't be taken from the environment: ";
                Err(text.strip_prefix(start).unwrap().to_owned())
            }
        }
    }

    #[test]
    fn each_launcher_is_understood() {
        for (rank, world) in [
            ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
            ("PMI_RANK", "PMI_SIZE"),
            ("SLURM_PROCID", "SLURM_NTASKS"),
            ("RANK", "WORLD_SIZE"),
        ] {
            assert_eq!(ranks(&[(rank, "3"), (world, "8")]), Ok((3, 8)));
        }
        let pmix = [
            ("PMIX_RANK", "1"),
            ("SLURM_PROCID", "1"),
            ("SLURM_NTASKS", "2"),
        ];
        assert_eq!(ranks(&pmix), Ok((1, 2)));
    }

    #[test]
    fn launchers_in_launchers_must_agree() {
        let open_mpi = [("OMPI_COMM_WORLD_RANK", "3"), ("OMPI_COMM_WORLD_SIZE", "8")];
        let with = |more: &[(&'static str, &'static str)]| ranks(&[&open_mpi, more].concat());
        assert_eq!(
            with(&[("PMIX_RANK", "3"), ("RANK", "3"), ("WORLD_SIZE", "8")]),
            Ok((3, 8))
        );
        // A shell within an allocation has a number of tasks, but is none of them.
        assert_eq!(with(&[("SLURM_NTASKS", "8")]), Ok((3, 8)));
        for (name, value, why) in [
            (
                "SLURM_PROCID",
                "0",
                "OMPI_COMM_WORLD_RANK is 3, but SLURM_PROCID is 0",
            ),
            (
                "SLURM_NTASKS",
                "2",
                "OMPI_COMM_WORLD_SIZE is 8, but SLURM_NTASKS is 2",
            ),
            (
                "PMIX_RANK",
                "2",
                "OMPI_COMM_WORLD_RANK is 3, but PMIX_RANK is 2",
            ),
            (
                "WORLD_SIZE",
                "9",
                "OMPI_COMM_WORLD_SIZE is 8, but WORLD_SIZE is 9",
            ),
        ] {
            let error = with(&[(name, value)]).unwrap_err();
            assert_eq!(error, format!("{why}; give rank and world yourself"));
        }
    }

    #[test]
    fn what_is_missing_or_makes_no_sense_is_told() {
        let cases: [(&[(&str, &str)], &str); 9] = [
            (
                &[],
                "none of these is set: OMPI_COMM_WORLD_RANK with OMPI_COMM_WORLD_SIZE, PMI_RANK \
                 with PMI_SIZE, PMIX_RANK, SLURM_PROCID with SLURM_NTASKS, RANK with WORLD_SIZE",
            ),
            (&[("RANK", "1")], "RANK is 1, but WORLD_SIZE isn't set"),
            (
                &[("PMI_SIZE", "4")],
                "PMI_SIZE is 4, but PMI_RANK isn't set",
            ),
            (
                &[("PMIX_RANK", "0")],
                "PMIX_RANK is 0, but nothing tells the number of ranks; give rank and world \
                 yourself",
            ),
            (
                &[("RANK", "1"), ("SLURM_NTASKS", "4")],
                "SLURM_NTASKS is 4, but SLURM_PROCID isn't set",
            ),
            (
                &[("RANK", "x"), ("WORLD_SIZE", "4")],
                "RANK is \"x\", which is no number of a rank",
            ),
            (
                &[("RANK", "-1"), ("WORLD_SIZE", "4")],
                "RANK is \"-1\", which is no number of a rank",
            ),
            (
                &[("RANK", "4"), ("WORLD_SIZE", "4")],
                "RANK is 4 and WORLD_SIZE is 4; ranks are below the world, which is at most \
                 16777216",
            ),
            (
                &[("RANK", "0"), ("WORLD_SIZE", "")],
                "WORLD_SIZE is \"\", which is no number of a rank",
            ),
        ];
        for (set, why) in cases {
            assert_eq!(ranks(set), Err(why.to_owned()), "{set:?}");
        }
    }
}
