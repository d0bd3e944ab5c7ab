import Cluster
import KubeAPI
import Plan

/// What came back from one other node.
struct TunnelFindings: Hashable, Sendable {
    /// Echoes beside the tunnel, and datagrams.
    var answersEcho = false
    var answersDatagrams = false
    /// Through the tunnel: a small echo, one of the full size, a datagram whose checksum the device computes.
    var small = false
    var full = false
    var datagram = false
    /// The largest echo that came back, where the full size did not.
    var largest: Int?

    enum Verdict: Hashable, Sendable {
        case well
        /// The node does not answer beside the tunnel either: nothing can be told.
        case unknown
        case silent, narrow, checksum
    }

    /// A firewall that drops without a word is no broken tunnel: what does not answer beside it need not answer through it.
    var verdict: Verdict {
        if !small { return answersEcho ? .silent : .unknown }
        if !full { return .narrow }
        if !datagram { return answersDatagrams ? .checksum : .unknown }
        return .well
    }

    func problem(_ target: TunnelTarget) -> Problem? {
        let subject = ObjectKey(Node.resource.kind, name: target.node)
        switch verdict {
        case .well, .unknown: return nil
        case .silent:
            return Problem(.tunnelSilent, subject, "it answers at \(target.other), and through \(target.link) it does not")
        case .narrow:
            let size = largest.map { "packets of up to \($0) bytes come back" } ?? "small packets come back"
            return Problem(.tunnelNarrow, subject, "through \(target.link) \(size), and those of \(target.mtu) bytes do not")
        case .checksum:
            return Problem(
                .tunnelChecksum, subject,
                "through \(target.link) packets come back, and those whose checksum the device was to compute do not")
        }
    }
}
