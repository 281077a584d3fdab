// SPDX-License-Identifier: Apache-2.0

internal import CHiredis
import Glibc

/// The owner of one hiredis context: connected in `init`, freed in `deinit`.
///
/// Belongs to the thread that made it. After the connection is made its socket does not block, so that every wait is a
/// `poll` with a deadline over the whole pipeline; the library's own timeouts count per system call, and a server that
/// sends a byte now and then would never run into them.
struct HiredisContext: ~Copyable {
    private let context: UnsafeMutablePointer<redisContext>
    private let replyGuard: ReplyGuard
    private let replyBytesMax: Int
    /// Bytes read since the last complete answer.
    private var partialReplyBytes = 0

    /// Connects; resolves the host's name and blocks for the connect timeout for each of its addresses.
    ///
    /// - Parameter name: of what is there, for messages.
    init(_ address: RedisAddress, named name: String, configuration: RedisConfiguration) throws(RedisError) {
        let made = redisConnectWithTimeout(
            address.host,
            Int32(address.port),
            timeval(configuration.connectTimeout)
        )
        guard let context = made else {
            throw RedisError(.unavailable, "There is no memory for a connection to Redis.")
        }
        guard context.pointee.err == 0 else {
            let reason = Self.errorText(context)
            redisFree(context)
            throw RedisError(.unavailable, "\(name) cannot be reached: \(reason).")
        }
        guard let reader = context.pointee.reader,
            let replyGuard = ReplyGuard(reader: reader, elementsMax: configuration.replyElementsMax)
        else {
            redisFree(context)
            throw RedisError(.unavailable, "There is no memory for the answers of Redis.")
        }
        redisEnableKeepAlive(context)
        let descriptor = context.pointee.fd
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL, 0) | O_NONBLOCK)
        context.pointee.flags &= ~REDIS_BLOCK
        self.context = context
        self.replyGuard = replyGuard
        self.replyBytesMax = configuration.replyBytesMax
    }

    deinit {
        redisFree(self.context)
        self.replyGuard.free()
    }

    var descriptor: Int32 { self.context.pointee.fd }

    /// Whether bytes were read that belong to no answer that was asked for.
    var hasUnreadBytes: Bool {
        guard let reader = self.context.pointee.reader else { return false }
        return reader.pointee.pos < reader.pointee.len || reader.pointee.ridx != -1
    }

    /// Puts a command into the write buffer.
    func append(_ command: RedisCommand) throws(RedisError) {
        let result = command.bytes.withUnsafeBytes { bytes in
            withUnsafeTemporaryAllocation(of: UnsafePointer<CChar>?.self, capacity: command.lengths.count) { pointers in
                let base = bytes.bindMemory(to: CChar.self).baseAddress
                var offset = 0
                for (index, length) in command.lengths.enumerated() {
                    pointers.initializeElement(at: index, to: base.map { $0 + offset })
                    offset += length
                }
                return redisAppendCommandArgv(
                    self.context,
                    Int32(command.lengths.count),
                    pointers.baseAddress,
                    command.lengths
                )
            }
        }
        guard result == REDIS_OK else { throw self.failure() }
    }

    /// Writes what the socket takes at this moment. Returns whether the write buffer is empty.
    func flush() throws(RedisError) -> Bool {
        var done: Int32 = 0
        guard redisBufferWrite(self.context, &done) == REDIS_OK else { throw self.failure() }
        return done != 0
    }

    /// Reads what has arrived, at most 16 KiB.
    mutating func read() throws(RedisError) {
        let before = self.context.pointee.reader.pointee.len
        guard redisBufferRead(self.context) == REDIS_OK else { throw self.failure() }
        self.partialReplyBytes += max(0, self.context.pointee.reader.pointee.len - before)
    }

    /// The next complete answer, or nil when more has to be read first.
    mutating func nextReply() throws(RedisError) -> RedisValue? {
        var pointer: UnsafeMutableRawPointer?
        guard redisGetReplyFromReader(self.context, &pointer) == REDIS_OK else { throw self.failure() }
        guard let pointer else {
            guard self.partialReplyBytes <= self.replyBytesMax else {
                throw RedisError(.protocolViolation, "An answer of Redis is larger than \(self.replyBytesMax) bytes.")
            }
            return nil
        }
        defer { freeReplyObject(pointer) }
        let reader = self.context.pointee.reader.pointee
        self.partialReplyBytes = reader.len - reader.pos
        guard let value = RedisValue(copying: pointer.assumingMemoryBound(to: redisReply.self).pointee, depth: 0) else {
            throw RedisError(.protocolViolation, "An answer of Redis is of no known type.")
        }
        return value
    }

    private func failure() -> RedisError {
        let reason = Self.errorText(self.context)
        switch self.context.pointee.err {
        case REDIS_ERR_PROTOCOL, REDIS_ERR_OOM:
            return RedisError(.protocolViolation, "An answer of Redis cannot be read: \(reason).")
        default:
            return RedisError(.connectionLost, "The connection to Redis ended: \(reason).")
        }
    }

    private static func errorText(_ context: UnsafeMutablePointer<redisContext>) -> String {
        withUnsafeBytes(of: context.pointee.errstr) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

extension RedisValue {
    /// One more than the library itself allows, so that the recursion has a bound of its own.
    private static let depthMax = 8

    fileprivate init?(copying reply: redisReply, depth: Int) {
        guard depth <= Self.depthMax else { return nil }
        let bytes = UnsafeRawBufferPointer(start: reply.str, count: reply.str == nil ? 0 : reply.len)
        switch reply.type {
        case REDIS_REPLY_STRING: self = .string(Array(bytes))
        case REDIS_REPLY_INTEGER: self = .integer(reply.integer)
        case REDIS_REPLY_NIL: self = .null
        case REDIS_REPLY_STATUS: self = .status(String(decoding: bytes, as: UTF8.self))
        case REDIS_REPLY_ERROR: self = .error(String(decoding: bytes, as: UTF8.self))
        case REDIS_REPLY_ARRAY:
            var elements: [RedisValue] = []
            elements.reserveCapacity(reply.elements)
            for index in 0..<reply.elements {
                guard let element = reply.element?[index],
                    let value = RedisValue(copying: element.pointee, depth: depth + 1)
                else { return nil }
                elements.append(value)
            }
            self = .array(elements)
        default: return nil
        }
    }
}

extension timeval {
    fileprivate init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self.init(tv_sec: Int(seconds), tv_usec: Int(attoseconds / 1_000_000_000_000))
    }
}
