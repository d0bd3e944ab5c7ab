import Glibc

/// A socket that was bound by somebody else, and that a ``Server`` accepts connections from.
///
/// A socket belongs for life to the network namespace it was opened in, so this is how one server listens in several
/// namespaces: whoever knows the namespace opens and binds the socket there, and hands over the descriptor.
public struct Listener: Hashable, Sendable {
    let descriptor: CInt

    /// - Parameter descriptor: a bound stream socket, listening or not yet. The server that is given this listener owns the
    ///   descriptor from then on, and closes it.
    public init(owning descriptor: CInt) { self.descriptor = descriptor }
}
