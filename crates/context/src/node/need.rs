//! What applications need of a node beside their security context.

/// What an application needs of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The name by which it is asked for.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// Parts of the repositories of its images, by which its containers are known.
    pub images: &'static [&'static str],
    /// How many files one of its processes opens.
    pub open_files: u64,
    /// `vm.max_map_count`, where it has a say.
    pub max_map_count: Option<u64>,
}

/// Redis Enterprise for Kubernetes: some of its processes open at least 100,000 files; where the limit is lower and they
/// cannot raise it, they fail again and again.
pub const REDIS_ENTERPRISE: Need = Need {
    name: "redis-enterprise",
    title: "Redis Enterprise",
    images: &["redislabs/redis", "redislabs/redis-enterprise"],
    open_files: 100_000,
    max_map_count: None,
};

/// Elasticsearch: its bootstrap checks refuse to start below these (`BootstrapChecks.java`: `FileDescriptorCheck`,
/// `MaxMapCountCheck`).
pub const ELASTICSEARCH: Need = Need {
    name: "elasticsearch",
    title: "Elasticsearch",
    images: &["elasticsearch/elasticsearch", "library/elasticsearch"],
    open_files: 65_535,
    max_map_count: Some(262_144),
};

/// Every application that is known.
pub const NEEDS: [Need; 2] = [REDIS_ENTERPRISE, ELASTICSEARCH];

/// What the application in this image needs, when it is one of those known.
pub fn need_of_image(image: &str) -> Option<&'static Need> {
    let name = image.split('@').next().unwrap_or(image);
    // A colon after the last slash begins the tag; one before it is the registry's port.
    let repository = match name.rfind(':').filter(|colon| name.rfind('/').is_none_or(|slash| slash < *colon)) {
        Some(colon) => name.get(..colon).unwrap_or(name),
        None => name,
    };
    NEEDS.iter().find(|need| {
        need.images
            .iter()
            .any(|known| repository.strip_suffix(known).is_some_and(|rest| rest.is_empty() || rest.ends_with('/')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_is_known_by_its_image_in_whatever_registry() {
        let name = |image| need_of_image(image).map(|need| need.name);
        assert_eq!(name("redislabs/redis:7.22.0-28"), Some("redis-enterprise"));
        assert_eq!(name("registry.connect.redhat.com/redislabs/redis-enterprise@sha256:00"), Some("redis-enterprise"));
        assert_eq!(name("localhost:5000/mirror/redislabs/redis"), Some("redis-enterprise"));
        assert_eq!(name("docker.elastic.co/elasticsearch/elasticsearch:8.8.0"), Some("elasticsearch"));
        assert_eq!(name("redis:7"), None);
        assert_eq!(name("redislabs/redis-exporter"), None);
        assert_eq!(name("notredislabs/redis"), None);
        assert_eq!(name(""), None);
    }
}
