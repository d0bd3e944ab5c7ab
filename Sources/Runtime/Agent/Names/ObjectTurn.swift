import KubeClient

/// A time of following some collections: the next one begins when others are needed, and ends this one when it has listed them.
struct ObjectTurn: Sendable {
    enum Purpose: Hashable { case names, networks }

    let number: Int
    let purpose: Purpose
    let collections: [ServerObjectSource.Collection]
    /// Ends when the turn does.
    let end: AsyncStream<Void>
}
