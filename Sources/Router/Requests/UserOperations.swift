// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import Placement
import Storage
import Wire

/// Requests that change a user, a device or a name.
enum UserOperations {
    static func operation(_ call: Call) throws(FieldError) -> WriterOperation {
        switch call.kind {
        case .registerUser:
            let request = try RegisterUser(decoding: call.payload)
            return WriterOperation(call) { (scope) throws(StorageError) in try Self.register(request, &scope) }
        case .putDevice:
            let request = try PutDevice(decoding: call.payload)
            return WriterOperation(call) { (scope) throws(StorageError) in try Self.putDevice(request, &scope) }
        case .rotateRefreshToken:
            let request = try RotateRefreshToken(decoding: call.payload)
            return WriterOperation(call) { (scope) throws(StorageError) in try Self.rotate(request, &scope) }
        case .revokeDevice:
            let request = try RevokeDevice(decoding: call.payload)
            return WriterOperation(call) { (scope) throws(StorageError) in
                try scope.store.revokeDevice(
                    user: request.user,
                    device: request.device,
                    now: request.now,
                    epoch: scope.epoch
                )
                return OperationOutcome(.ok(Empty()))
            }
        case .setPresence:
            let request = try SetPresence(decoding: call.payload)
            return WriterOperation(call) { (scope) throws(StorageError) in try Self.setPresence(request, &scope) }
        case .applyOutbox:
            let request = try ApplyOutbox(decoding: call.payload)
            switch request.kind {
            case .createUser:
                let user = try RegisterUser(decoding: ByteBuffer(bytes: request.payload))
                return WriterOperation(call) { (scope) throws(StorageError) in try Self.create(user, &scope) }
            case .membership:
                let change = try Wire.MembershipChange(decoding: ByteBuffer(bytes: request.payload))
                return WriterOperation(call) { (scope) throws(StorageError) in try Self.apply(change, &scope) }
            }
        default:
            preconditionFailure("\(call.kind) is not a change of a user")
        }
    }

    /// Claims the name; the user itself is made in its own slot through the outbox of the name's.
    private static func register(
        _ request: RegisterUser,
        _ scope: inout WriterScope
    ) throws(StorageError) -> OperationOutcome {
        guard Slot(ofName: request.username) == scope.slot else { return .failed(Self.wrongSlot) }
        let entry = OutboxEntry(
            targetSlot: Slot(of: request.user.value),
            kind: OutboxKind.createUser.rawValue,
            payload: Array(request.encoded().readableBytesView)
        )
        let claim = try scope.store.registerName(
            request.username,
            for: request.user,
            outbox: [entry],
            now: scope.now,
            epoch: scope.epoch
        )
        switch claim {
        case .claimed(let outbox):
            return OperationOutcome(.ok(Empty()), outbox: outbox)
        case .taken:
            return .failed(Failure(.usernameTaken, "The username is taken: choose another one."))
        }
    }

    private static func create(
        _ request: RegisterUser,
        _ scope: inout WriterScope
    ) throws(StorageError) -> OperationOutcome {
        guard Slot(of: request.user.value) == scope.slot else { return .failed(Self.wrongSlot) }
        let profile = UserProfile(
            id: request.user,
            username: request.username,
            displayName: request.displayName,
            createdAt: request.createdAt
        )
        try scope.store.insertUser(profile, passwordHash: request.passwordHash, epoch: scope.epoch)
        return OperationOutcome(.ok(Empty()))
    }

    private static func apply(
        _ change: Wire.MembershipChange,
        _ scope: inout WriterScope
    ) throws(StorageError) -> OperationOutcome {
        guard Slot(of: change.user.value) == scope.slot else { return .failed(Self.wrongSlot) }
        try scope.store.applyMembership(
            Membership(
                user: change.user,
                conversation: change.conversation,
                kind: change.kind,
                version: change.version,
                removed: change.removed,
                joinedAt: change.changedAt
            ),
            epoch: scope.epoch
        )
        return OperationOutcome(.ok(Empty()))
    }

    private static func putDevice(
        _ request: PutDevice,
        _ scope: inout WriterScope
    ) throws(StorageError) -> OperationOutcome {
        guard Slot(of: request.user.value) == scope.slot else { return .failed(Self.wrongSlot) }
        try scope.store.putDevice(
            user: request.user,
            device: request.device,
            name: request.name,
            type: request.type,
            token: RefreshToken(hash: request.refreshTokenHash, expiresAt: request.refreshTokenExpiresAt),
            now: request.now,
            epoch: scope.epoch
        )
        return OperationOutcome(.ok(Empty()))
    }

    private static func rotate(
        _ request: RotateRefreshToken,
        _ scope: inout WriterScope
    ) throws(StorageError) -> OperationOutcome {
        guard Slot(of: request.user.value) == scope.slot else { return .failed(Self.wrongSlot) }
        let rotation = try scope.store.rotateRefreshToken(
            user: request.user,
            device: request.device,
            presentedHash: request.presentedHash,
            next: RefreshToken(hash: request.newHash, expiresAt: request.newExpiresAt),
            now: request.now,
            epoch: scope.epoch
        )
        switch rotation {
        case .rotated:
            return OperationOutcome(.ok(Empty()))
        case .reused:
            return .failed(
                Failure(
                    .refreshTokenReused,
                    "The refresh token was used before; the device is logged out: log in again."
                )
            )
        case .unknown:
            return .failed(Failure(.unauthenticated, "The refresh token is not known: log in again."))
        case .expired:
            return .failed(Failure(.tokenExpired, "The refresh token has expired: log in again."))
        }
    }

    private static func setPresence(
        _ request: SetPresence,
        _ scope: inout WriterScope
    ) throws(StorageError) -> OperationOutcome {
        guard Slot(of: request.user.value) == scope.slot else { return .failed(Self.wrongSlot) }
        let profile = try scope.store.setPresence(
            request.user,
            status: request.status,
            visibility: request.visibility,
            now: scope.now,
            epoch: scope.epoch
        )
        guard let profile else { return .failed(Failure(.unknownUser, "There is no such user.")) }
        return OperationOutcome(.ok(PresenceProfileBody(profile)))
    }

    private static let wrongSlot = Failure(.internal, "A request from another node names the wrong slot.")
}
