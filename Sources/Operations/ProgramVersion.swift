// SPDX-License-Identifier: Apache-2.0

/// The version of the program, as `trunkline version`, the node leases and `trunkline status` show it.
package enum ProgramVersion {
    package static let current = "0.1.0"
}
