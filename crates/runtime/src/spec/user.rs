//! `process.user`: the IDs, with every supplementary group written out.

use oci_spec::runtime::User as OciUser;
use ringfence_context::effective::User;

use super::{SpecError, SpecOptions, known};

/// The user. Groups keep the order in which they are found, each once. A user namespace that a caller without
/// privilege maps by itself has no setgroups(2), so there are none then (user_namespaces(7)).
pub(super) fn user(user: &User, options: &SpecOptions<'_>) -> Result<OciUser, SpecError> {
    let mut oci = OciUser::default();
    oci.set_uid(*known("user.uid", &user.uid)?);
    oci.set_gid(*known("user.gid", &user.gid)?);
    let mut gids: Vec<u32> = Vec::new();
    if options.id_mappings.is_none_or(|mappings| mappings.setgroups) {
        for group in known("user.groups", &user.groups)? {
            if !gids.contains(&group.gid) {
                gids.push(group.gid);
            }
        }
    }
    oci.set_additional_gids((!gids.is_empty()).then_some(gids));
    Ok(oci)
}
