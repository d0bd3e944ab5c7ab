public import Netlink
import Synchronization

/// Removes links, those together that are to go at the same time.
///
/// Before the kernel says that a link is gone it waits until nobody can be using it: 16 ms, and a part of that time nobody else may
/// change a link. For links that are a group (`IFLA_GROUP`) and go in one message it waits once: a hundred take 70 ms. So whoever
/// comes while others are at it waits, and then all who waited are done by the first of them.
///
/// ```
///  a ──► remove a ───────► gone
///  b ───── waits ────────► remove b, c, d ───► gone
///  c, d ───── wait ─────────────────────────► gone
/// ```
public final class LinkRemover: Sendable {
    private let namespace: NetworkNamespace
    private let group: UInt32
    private let waiting = Mutex<[Ticket]>([])
    /// Held by the one who removes.
    private let turn = Mutex(())

    /// - Parameter group: nobody else's number: every link in it goes.
    public init(in namespace: NetworkNamespace, group: UInt32) {
        precondition(group != 0, "every link is in group 0")
        self.namespace = namespace
        self.group = group
    }

    /// One who wants a link removed.
    private final class Ticket: Sendable {
        let link: String
        let outcome = Mutex<Result<Void, KernelError>?>(nil)

        init(_ link: String) { self.link = link }
    }

    /// Returns when the link is gone. Blocks; for any number of threads.
    ///
    /// - Throws: `Errno.noSuchDevice` when there is none.
    public func remove(_ link: String) throws(KernelError) {
        let ticket = Ticket(link)
        waiting.withLock { $0.append(ticket) }
        turn.withLock { _ in
            // Done by somebody else.
            guard ticket.outcome.withLock({ $0 == nil }) else { return }
            let tickets = waiting.withLock { waiting in
                defer { waiting = [] }
                return waiting
            }
            carryOut(tickets)
        }
        guard let outcome = ticket.outcome.withLock(\.self) else { preconditionFailure("a link that nobody removed") }
        try outcome.get()
    }

    /// Every ticket has its outcome when this returns.
    private func carryOut(_ tickets: [Ticket]) {
        do throws(KernelError) {
            let socket = try NetlinkSocket(.route, in: namespace)
            let outcomes =
                tickets.count == 1 ? try removeEach(tickets.map(\.link), socket) : try removeAll(tickets.map(\.link), socket)
            for (ticket, error) in zip(tickets, outcomes) {
                ticket.outcome.withLock { $0 = error.map(Result.failure) ?? .success(()) }
            }
        } catch {
            for ticket in tickets { ticket.outcome.withLock { $0 = .failure(error) } }
        }
    }

    private func removeEach(_ links: [String], _ socket: NetlinkSocket) throws(KernelError) -> [KernelError?] {
        try socket.perform(links.map { LinkMessage(name: $0).request(.remove, operation: "remove link \($0)") })
    }

    private func removeAll(_ links: [String], _ socket: NetlinkSocket) throws(KernelError) -> [KernelError?] {
        var outcomes = try socket.perform(
            links.map { name in
                var marked = LinkMessage(name: name)
                marked.group = group
                return marked.request(.change, operation: "remove link \(name)")
            })
        guard outcomes.contains(nil) else { return outcomes }
        var all = LinkMessage()
        all.group = group
        let refusal = try socket.perform([all.request(.remove, operation: "remove links of group \(self.group)")])[0]
        guard refusal != nil else { return outcomes }
        // One that cannot be removed, and all stay.
        for (index, link) in links.enumerated() where outcomes[index] == nil {
            outcomes[index] = try removeEach([link], socket)[0]
            if outcomes[index] != nil { try leave(link, socket) }
        }
        return outcomes
    }

    /// Back to the group that every link is in.
    private func leave(_ link: String, _ socket: NetlinkSocket) throws(KernelError) {
        var unmarked = LinkMessage(name: link)
        unmarked.group = 0
        _ = try socket.perform([unmarked.request(.change, operation: "leave link \(link) alone")])
    }
}
