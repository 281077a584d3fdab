// SPDX-License-Identifier: Apache-2.0

/// The version of the programs, as `trunkline version`, the node leases, `/metrics` and reports show it.
package enum ProgramVersion {
    package static let current = "0.1.0"
}
