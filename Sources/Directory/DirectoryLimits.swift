// SPDX-License-Identifier: Apache-2.0

/// Bounds of the directory that every node agrees on (contract C5, C10).
package enum DirectoryLimits {
    /// Devices registered of one user; one more fails with `.tooManyDevices`.
    package static let devicesPerUserMax = 256
    /// Users in one read of an audience; more fail with `.tooLarge`.
    package static let usersPerReadMax = 1024
    /// Users in one transaction of such a read: with every one of them at ``devicesPerUserMax`` its answer stays
    /// below the bound of an answer.
    static let usersPerTransactionMax = 128
    /// Registrations in one pipeline of a refill.
    package static let registrationsPerBatchMax = 256
    /// Nodes of a cluster; one more fails with `.tooManyNodes`.
    package static let nodesMax = 1024
    /// UTF-8 bytes of a node's name.
    package static let nodeNameBytesMax = 128
    /// Bytes of a lease as it is stored; a larger one is malformed.
    package static let leaseBytesMax = 4096
}
