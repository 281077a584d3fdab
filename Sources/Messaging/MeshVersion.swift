// SPDX-License-Identifier: Apache-2.0

/// The versions of the mesh's protocol that this program speaks. Two nodes speak the highest that both do, so nodes of
/// neighbouring versions work together (contract C9).
///
/// A version is raised for what an older node would misunderstand; fields and kinds that it may skip or refuse need none.
/// - 1: the first.
/// - 2: an edge may be asked to send some of its sessions elsewhere (`shed`).
package enum MeshVersion {
    package static let oldest: UInt16 = 1
    package static let newest: UInt16 = 2

    /// Since this one an edge sheds sessions.
    package static let shedding: UInt16 = 2
}
