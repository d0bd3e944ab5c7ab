import Addressing
import CLinux
import DNS
import Glibc
import NameServer
import Netlink
import Plan

/// Asks this node's own name server over and over, as a client would. The kernel sees the answers pass, and leads queries there for a
/// while because of them (``LocalNameTable``).
struct NameProbe: ~Copyable {
    private let question: Question
    private var asked: [(address: IPAddress, socket: Int32)] = []
    /// How often in a row an address was asked in vain.
    private(set) var silences: [IPAddress: Int] = [:]

    /// How often it asks: a question may be lost before the kernel gives up (``PacketPath/nameLease``).
    static let pause: Duration = .seconds(2)

    init(_ question: Question) { self.question = question }

    deinit { for (_, socket) in asked { close(socket) } }

    /// Looks for the answers to what was asked the last time, and asks at these addresses.
    ///
    /// Each time from another port, so that each thread of the server is asked.
    mutating func ask(_ servers: Set<IPAddress>, id: UInt16, in namespace: NetworkNamespace) {
        var silences: [IPAddress: Int] = [:]
        for (address, socket) in asked {
            var byte: UInt8 = 0
            let hasAnswer = clinux_receive_now(socket, &byte, 1) > 0
            if servers.contains(address), !hasAnswer { silences[address] = (self.silences[address] ?? 0) + 1 }
            close(socket)
        }
        self.silences = silences
        let bytes = Message.query(question, id: id, isRecursionDesired: false).bytes()
        asked = []
        for server in servers {
            let socket = try? namespace.perform { () throws(KernelError) -> Int32 in
                var (own, place) = (clinux_place(LocalNameTable.prober(server.family), 0), clinux_place(server, 53))
                return clinux_asking_socket(&own, &place)
            }
            guard let socket, socket >= 0 else {
                self.silences[server, default: 0] += 1
                continue
            }
            _ = clinux_send_now(socket, bytes, bytes.count)
            asked.append((server, socket))
        }
    }
}

extension NameProbe {
    /// Whether a query is one of these, whatever the cluster's domain was when it was sent.
    static func asked(_ report: QueryReport) -> Bool {
        report.client == LocalNameTable.prober(report.client.family) && report.question.type == .txt
            && report.question.name.labels.first?.elementsEqual(NamePlan.schemaLabel.utf8) ?? false
    }
}

extension clinux_place {
    fileprivate init(_ address: IPAddress, _ port: UInt16) {
        self.init()
        self.port = port
        is_v6 = address.family == .v6 ? 1 : 0
        withUnsafeMutableBytes(of: &self.address) { $0.copyBytes(from: address.bytes) }
    }
}
