// SPDX-License-Identifier: Apache-2.0

package import ClientProtocol
package import NIOCore

/// Who takes over a connection that became a WebSocket.
package protocol WebSocketAcceptor: Sendable {
    /// Whether one more session may begin now. May be asked on any thread.
    var canAcceptSession: Bool { get }

    /// Adds the handlers of a session. Called once per connection, on the channel's event loop, after the 101 was
    /// written; everything the client sends from then on reaches the handlers that are in the pipeline at return.
    ///
    /// - Parameter subprotocol: what was agreed on, or JSON where nothing was.
    func acceptWebSocket(on channel: any Channel, speaking subprotocol: ClientSubprotocol)
}
