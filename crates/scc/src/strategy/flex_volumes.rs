//! `allowedFlexVolumes`: the drivers, once `flexVolume` is an allowed kind of volume at all.

use k8s_openapi::api::core::v1::Volume;

use super::Objections;
use crate::Value;
use crate::constraints::SecurityContextConstraints;
use crate::violation::{Control, Fault};

pub(crate) fn validate(scc: &SecurityContextConstraints, volumes: &[Volume], out: &mut Objections<'_>) {
    if scc.allowed_flex_volumes.is_empty() || !scc.allows_volume("flexVolume") {
        return;
    }
    for (i, volume) in volumes.iter().enumerate() {
        let Some(flex) = &volume.flex_volume else { continue };
        if !scc.allowed_flex_volumes.iter().any(|allowed| allowed.driver == flex.driver) {
            let field = format!("volumes[{i}].flexVolume.driver");
            let fault = Fault::Invalid(Value::String(flex.driver.clone()));
            out.spec(Control::AllowedFlexVolumes, &field, fault, "Flexvolume driver is not allowed to be used");
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::FlexVolumeSource;

    use super::*;
    use crate::constraints::AllowedFlexVolume;

    #[test]
    fn only_listed_drivers_pass_when_there_is_a_list() {
        let flex = FlexVolumeSource { driver: "example/b".into(), ..Default::default() };
        let volume = Volume { name: "v".into(), flex_volume: Some(flex), ..Default::default() };
        let scc = |drivers: &[&str]| SecurityContextConstraints {
            volumes: Some(vec!["flexVolume".into()]),
            allowed_flex_volumes: drivers.iter().map(|d| AllowedFlexVolume { driver: (*d).into() }).collect(),
            ..Default::default()
        };
        let objections = |scc: &SecurityContextConstraints| {
            let mut out = Objections::new("x");
            validate(scc, std::slice::from_ref(&volume), &mut out);
            out.list.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let path = "provider x: .spec.volumes[0].flexVolume.driver";
        let text = "Invalid value: \"example/b\": Flexvolume driver is not allowed to be used";
        assert_eq!(objections(&scc(&["example/a"])), [format!("{path}: {text}")]);
        assert!(objections(&scc(&["example/a", "example/b"])).is_empty());
        assert!(objections(&scc(&[])).is_empty(), "an empty list is every driver");
    }
}
