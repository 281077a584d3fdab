// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
import Crypto
import HTTPTypes
internal import Messaging
internal import NIOHTTP1

/// The opening handshake of a WebSocket, the server's part (RFC 6455 §4.2). Pure.
struct WebSocketHandshake {
    static let path = "/ws"
    static let version = "13"
    /// Joined to the client's key before it is hashed (RFC 6455 §1.3).
    private static let keySuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

    /// Why a request does not become a WebSocket.
    enum Refusal: Error, Equatable {
        /// It does not ask for one: no `Upgrade: websocket`, or `Connection` does not say so.
        case notAsked
        case wrongVersion
        /// The key is missing, twice there, or not 16 bytes of base64.
        case badKey
        case wrongMethod
    }

    var method: String
    var upgrade: [String]
    var connection: [String]
    var keys: [String]
    var versions: [String]
    /// The values of `Sec-WebSocket-Protocol`.
    var offers: [String] = []

    /// What to answer the offers with; nil when there is none that is known, and JSON is spoken.
    var subprotocol: ClientSubprotocol? { ClientSubprotocol(offered: self.offers) }

    /// The value of `Sec-WebSocket-Accept`.
    func accept() throws(Refusal) -> String {
        guard Self.holds("websocket", self.upgrade), Self.holds("upgrade", self.connection) else { throw .notAsked }
        guard self.method == "GET" else { throw .wrongMethod }
        guard self.versions == [Self.version] else { throw .wrongVersion }
        guard self.keys.count == 1, let key = self.keys.first, Self.isKey(key) else { throw .badKey }
        let digest = Insecure.SHA1.hash(data: Array((key + Self.keySuffix).utf8))
        // 20 bytes: the padding is always one sign.
        return Base64.encode(digest, .standard) + "="
    }

    /// Whether a request target leads here.
    static func matches(target: String) -> Bool {
        let path = target.prefix { $0 != "?" }
        return path == Self.path || path == Self.path + "/"
    }

    private static func holds(_ token: String, _ values: [String]) -> Bool {
        values.contains { value in
            value.split(separator: ",").contains { $0.trimmingSpaces.lowercased() == token }
        }
    }

    private static func isKey(_ key: String) -> Bool {
        key.utf8.count == 24 && key.hasSuffix("==") && Base64.decode(key.utf8.dropLast(2), .standard)?.count == 16
    }
}

extension WebSocketHandshake {
    init(_ head: HTTPRequestHead) {
        self.init(
            method: head.method.rawValue,
            upgrade: head.headers["Upgrade"],
            connection: head.headers["Connection"],
            keys: head.headers["Sec-WebSocket-Key"],
            versions: head.headers["Sec-WebSocket-Version"],
            offers: head.headers["Sec-WebSocket-Protocol"]
        )
    }

    init(_ request: HTTPRequest) {
        self.init(
            method: request.method.rawValue,
            upgrade: request.headerFields[values: .upgrade],
            connection: request.headerFields[values: .connection],
            keys: request.headerFields[values: .secWebSocketKey],
            versions: request.headerFields[values: .secWebSocketVersion]
        )
    }
}

extension WebSocketHandshake {
    /// What becomes of the first request of a connection.
    enum Decision {
        case upgrade
        /// An ordinary request, or a wish for a protocol that is not spoken here and may be passed over.
        case serve
        case refuse(ProblemAnswer)
    }

    static func decision(on head: HTTPRequestHead, hasRoom: Bool) -> Decision {
        let handshake = WebSocketHandshake(head)
        // In HTTP/1.0 the wish is to be passed over (RFC 9110 §7.8).
        guard head.version == .http1_1, Self.matches(target: head.uri), Self.holds("websocket", handshake.upgrade)
        else { return .serve }
        do {
            _ = try handshake.accept()
        } catch {
            return .refuse(
                ProblemAnswer(error.failure, status: error.status, fields: HTTPHeaders(error.fields))
            )
        }
        return hasRoom ? .upgrade : .refuse(ProblemAnswer(Self.full))
    }

    private static let full = Failure(
        .overloaded,
        "This edge has no room for another session: try another edge.",
        retryAfterMilliseconds: 1000
    )
}

extension WebSocketHandshake.Refusal {
    /// What the client is told.
    var failure: Failure {
        switch self {
        case .notAsked:
            Failure(.malformed, "This is the WebSocket; ask with `Connection: Upgrade` and `Upgrade: websocket`.")
        case .wrongVersion:
            Failure(.malformed, "Only version 13 of the WebSocket protocol is spoken here (`Sec-WebSocket-Version`).")
        case .badKey:
            Failure(.malformed, "`Sec-WebSocket-Key` must be 16 bytes in base64.")
        case .wrongMethod:
            Failure(.methodNotAllowed, "A WebSocket is opened with GET.")
        }
    }

    /// 426 says what to change (RFC 6455 §4.2.2, RFC 9110 §15.5.22); otherwise the status is the code's.
    var status: Int {
        switch self {
        case .notAsked, .wrongVersion: 426
        case .badKey, .wrongMethod: self.failure.code.httpStatus
        }
    }

    /// Header fields that say to what.
    var fields: [(String, String)] {
        switch self {
        case .notAsked, .wrongVersion:
            [("Upgrade", "websocket"), ("Sec-WebSocket-Version", WebSocketHandshake.version)]
        case .badKey: []
        case .wrongMethod: [("Allow", "GET")]
        }
    }
}

extension Substring {
    fileprivate var trimmingSpaces: Substring {
        var text = self.drop { $0 == " " || $0 == "\t" }
        while let last = text.last, last == " " || last == "\t" {
            text.removeLast()
        }
        return text
    }
}
