import CLinux
public import NFTables
public import Netlink

/// The nf_tables of one network namespace.
///
/// A transaction is one netlink datagram (`NFNL_MSG_BATCH_BEGIN` … `NFNL_MSG_BATCH_END`), which the kernel carries out whole or
/// not at all. Blocks while the kernel works; not `Sendable`: one owner, on a thread that may block.
public final class KernelTables: NFTablesEnd {
    let socket: NetlinkSocket
    private var writer = MessageWriter()

    /// - Parameter namespace: the one whose tables are meant; `nil` for the calling thread's own.
    public init(in namespace: NetworkNamespace? = nil) throws(KernelError) {
        socket = try NetlinkSocket(.netfilter, in: namespace)
    }

    public func apply(_ changes: [Change]) throws(KernelError) {
        try apply(changes, ifGenerationIs: nil)
    }

    /// - Parameter generation: when given and somebody else has committed since, nothing is done and `Errno.restart` is thrown.
    public func apply(_ changes: [Change], ifGenerationIs generation: UInt32?) throws(KernelError) {
        // A change without elements is no message: nothing would be answered.
        guard changes.contains(where: { !$0.isVoid }) else { return }
        writer.removeAll()
        var batch = Batch(writer: writer, firstSequence: socket.sequences(0) &+ 1)
        writer = MessageWriter(capacity: 0)
        batch.begin(generation: generation)
        for change in changes where !change.isVoid { batch.add(change) }
        batch.end()
        _ = socket.sequences(batch.count)
        let bytes = batch.writer.bytes
        writer = batch.writer
        if bytes.count > 100_000 { try socket.reserveSending(bytes.count) }
        try socket.send(bytes, for: batch.operation(at: 0))
        try awaitOutcome(of: batch)
    }

    /// Errors come for every refused message, then an acknowledgement for the last one; a refused beginning or commit is reported
    /// for the batch's first message.
    private func awaitOutcome(of batch: Batch) throws(KernelError) {
        var first: KernelError?
        while true {
            for message in try socket.receive(for: "commit an nf_tables transaction") {
                let index = Int(message.sequence &- batch.firstSequence)
                guard (0..<batch.count).contains(index), let answer = Acknowledgement(message) else { continue }
                let error = answer.error(for: batch.operation(at: index))
                if first == nil { first = error }
                guard index == 0 || index == batch.lastAcknowledged else { continue }
                // What else the kernel had to say about a refused batch is not waited for, only taken out of the way.
                if first != nil { while try !socket.receive(wait: false, for: "commit an nf_tables transaction").isEmpty {} }
                if let first { throw first }
                return
            }
        }
    }

    public func generation() throws(KernelError) -> UInt32 {
        let request = NetlinkRequest(nfTables(NFT_MSG_GETGEN), operation: "ask for the nf_tables generation") {
            $0.append(netfilterHeader(family: 0))
        }
        let answer = try socket.get(request)
        return answer.attributes(after: 4)[id(NFTA_GEN_ID)]?.bigEndian() ?? 0
    }
}

/// `nfgenmsg` as one number in memory order: family, version 0, resource id 0.
func netfilterHeader(family: UInt8) -> UInt32 { UInt32(family).littleEndian }

/// The netlink message type: subsystem and message.
func nfTables(_ message: nf_tables_msg_types) -> UInt16 {
    UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(message.rawValue)
}

/// An attribute's number, from its C enumerator.
func id(_ attribute: some RawRepresentable<UInt32>) -> UInt16 { UInt16(truncatingIfNeeded: attribute.rawValue) }
