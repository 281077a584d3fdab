// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore

/// JSON from clients and edges: commands, their answers, and the bodies of REST.
///
/// Input: which, then the JSON.
enum JSONEntry {
    static func run(_ bytes: [UInt8]) throws {
        var input = FuzzInput(bytes)
        let which = Int(input.byte())
        let json = input.remainder()
        // The session has checked this before it reads a command; bodies of REST may be anything.
        let isText = String(validating: json, as: UTF8.self) != nil
        switch which % (Self.bodies.count + 2) {
        case 0: if isText { try Self.command(json) }
        case 1: if isText { try Self.serverMessage(json) }
        case let place: try Self.bodies[place - 2](json)
        }
    }

    private static func command(_ json: [UInt8]) throws {
        let message: CommandMessage
        do throws(RejectedCommand) {
            message = try CommandMessage(json: json)
        } catch {
            return try Self.check(error.failure)
        }
        if case .text(let text) = message.id {
            try require((1...CommandID.textBytesMax).contains(text.utf8.count), "an id of \(text.utf8.count) bytes")
        }
        if case .sendMessage(let request) = message.command {
            try require(request.body.utf8.count <= Limits.messageBodyBytesMax, "a body over its bound")
        }
        let again: CommandMessage
        do throws(RejectedCommand) {
            again = try CommandMessage(json: message.encoded())
        } catch {
            throw PropertyViolation("\(message) cannot be read back: \(error)")
        }
        try require(again == message, "\(message) reads back as \(again)")
    }

    private static func serverMessage(_ json: [UInt8]) throws {
        let decoded: ServerMessage?
        do throws(Failure) {
            decoded = try ServerMessage.decode(json: json)
        } catch {
            return try Self.check(error)
        }
        guard let message = decoded, Self.isPossible(message) else { return }
        let again: ServerMessage?
        do throws(Failure) {
            again = try ServerMessage.decode(json: message.encoded())
        } catch {
            throw PropertyViolation("\(message) cannot be read back: \(error)")
        }
        try require(again == message, "\(message) reads back as \(String(describing: again))")
    }

    /// A client reads numbers that no edge sends.
    private static func isPossible(_ message: ServerMessage) -> Bool {
        guard case .authenticated(_, let fields) = message else { return true }
        let limits = fields.limits
        return min(fields.heartbeatMilliseconds, limits.bodyBytes, limits.frameBytes, limits.inFlight) >= 0
    }

    private typealias Check = @Sendable ([UInt8]) throws -> Void

    private static let bodies: [Check] = [
        Self.roundTrip(RegisterRequest.self), Self.roundTrip(LoginRequest.self), Self.roundTrip(RefreshRequest.self),
        Self.roundTrip(CreateConversationRequest.self), Self.roundTrip(UpdateConversationRequest.self),
        Self.roundTrip(AddMembersRequest.self), Self.roundTrip(SetRoleRequest.self),
        Self.roundTrip(SendMessageRequest.self), Self.roundTrip(TokenResponse.self), Self.roundTrip(Problem.self),
        Self.roundTrip(ConversationListResponse.self), Self.roundTrip(MessagesResponse.self),
        Self.roundTrip(MembersResponse.self), Self.roundTrip(UserSearchResponse.self),
    ]

    private static func roundTrip<Value: Codable & Equatable & Sendable>(_ type: Value.Type) -> Check {
        { json in
            let value: Value
            do throws(Failure) {
                value = try JSONBody.decode(type, from: json)
            } catch {
                return try Self.check(error)
            }
            let again: Value
            do {
                again = try JSONBody.decode(type, from: try JSONBody.encode(value))
            } catch {
                throw PropertyViolation("\(value) cannot be read back: \(error)")
            }
            try require(again == value, "\(value) reads back as \(again)")
        }
    }

    /// A refusal has one of the codes that are documented for input, and does not repeat the input.
    private static func check(_ failure: Failure) throws(PropertyViolation) {
        switch failure.code {
        case .malformed, .unknownType, .missingField, .invalidField, .tooLarge: break
        default: throw PropertyViolation("refused with \(failure)")
        }
        try require(!failure.message.isEmpty && failure.message.utf8.count <= 300, "the reason is \(failure.message)")
    }
}
