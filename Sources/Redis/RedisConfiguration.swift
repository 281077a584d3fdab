// SPDX-License-Identifier: Apache-2.0

/// How to reach Redis, how long to wait, and the bounds of one ``RedisConnection``.
package struct RedisConfiguration: Sendable {
    package var endpoint: RedisEndpoint
    /// Takes a replica or a sentinel too: to look at it.
    package var acceptsAnyRole = false

    /// For the TCP connection alone, for each address that the host name has; to a sentinel too.
    package var connectTimeout: Duration = .seconds(1)
    /// From the writing of a pipeline to its last answer; also how long a command may wait for its turn before that.
    package var commandTimeout: Duration = .seconds(1)

    /// How often a connection that is used asks whether its server is the primary still: one that only reads would not
    /// notice otherwise.
    package var roleCheckInterval: Duration = .seconds(1)

    /// The wait after no address has led to a primary; doubled with each time more, with jitter.
    package var reconnectDelayMin: Duration = .milliseconds(50)
    package var reconnectDelayMax: Duration = .seconds(2)

    /// Commands accepted and not yet answered; at the bound further ones fail with `.overloaded`.
    package var queuedCommandsMax = 65_536
    /// Bytes of commands accepted and not yet answered; at the bound further ones fail with `.overloaded`.
    package var queuedBytesMax = 16 * 1024 * 1024
    /// Commands written before their answers are awaited. A larger request goes alone.
    package var pipelineCommandsMax = 1024
    /// Bytes written before their answers are awaited. A larger request goes alone.
    package var pipelineBytesMax = 1024 * 1024

    /// Bytes of one answer. A larger one ends the connection.
    package var replyBytesMax = 8 * 1024 * 1024
    /// Elements of one array in an answer. A larger one ends the connection, before memory is taken for it.
    package var replyElementsMax = 65_536

    package init(endpoint: RedisEndpoint) {
        self.endpoint = endpoint
    }
}
