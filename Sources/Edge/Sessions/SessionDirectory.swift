// SPDX-License-Identifier: Apache-2.0

package import Directory
package import Messaging

/// What the edge needs of the registry. May be used from any thread. Errors are of type ``DirectoryError``.
package protocol SessionDirectory: Sendable {
    /// Of the registry that was connected to last.
    var life: RegistryLife { get }

    /// Registers a device's session. Returns the location that it replaced.
    func register(
        _ user: UserID,
        _ device: DeviceID,
        _ location: SessionLocation
    ) async throws -> SessionLocation?

    /// Removes an entry if it is this one still.
    func unregister(
        _ user: UserID,
        _ device: DeviceID,
        _ location: SessionLocation
    ) async throws -> Bool

    /// Registers all sessions and then sets the completeness marker. Returns the entries of newer sessions, which stay.
    func refill(
        _ life: EdgeLife,
        _ registrations: [SessionRegistration]
    ) async throws -> [SessionRegistration]

    /// Prolongs the completeness marker. Returns whether it stood.
    func renewComplete(_ life: EdgeLife) async throws -> Bool

    /// Takes the completeness marker away. Returns whether it stood.
    func clearComplete(_ life: EdgeLife) async throws -> Bool
}

extension SessionRegistry: SessionDirectory {}
