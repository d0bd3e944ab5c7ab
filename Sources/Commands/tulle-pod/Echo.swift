import CLinux
import Glibc

/// The server of a pod: one thread, a bounded number of connections, one line of answer to everything.
struct Echo {
    private var streamPorts: [UInt16] = []
    private var datagramPorts: [UInt16] = []
    private var name: String?
    private var node = "-"

    init(_ words: inout Words) throws(Refusal) {
        var option = ""
        while let word = try words.next() {
            switch (word, option, UInt16(word)) {
            case ("--tcp", _, _), ("--udp", _, _): option = word
            case ("--name", _, _): name = try words.value(of: word)
            case ("--node", _, _): node = try words.value(of: word)
            case (_, "--tcp", let port?): streamPorts.append(port)
            case (_, "--udp", let port?): datagramPorts.append(port)
            case (_, "", _): throw .usage("echo: “\(word)” is not understood")
            default: throw .usage("echo: \(option) “\(word)” is no port")
            }
        }
        guard !streamPorts.isEmpty || !datagramPorts.isEmpty else { throw .usage("echo: --tcp PORT or --udp PORT says where") }
    }

    func run() throws(Refusal) -> Int32 {
        // Process 1 of a container is ended only by signals it handles.
        if getpid() == 1 { for number in [SIGTERM, SIGINT] { signal(number) { _ in _exit(0) } } }
        var server = try Server(pod: name ?? Self.hostname, node: node)
        for port in streamPorts {
            let listener = clinux_serve_stream(port, 128)
            guard listener >= 0 else { throw .last("listening on TCP port \(port)") }
            try server.addListener(listener)
        }
        for port in datagramPorts {
            let socket = clinux_serve_datagrams(port)
            guard socket >= 0 else { throw .last("listening on UDP port \(port)") }
            try server.addDatagrams(socket)
        }
        return try server.serve()
    }

    private static var hostname: String {
        var text = [CChar](repeating: 0, count: 256)
        guard gethostname(&text, text.count - 1) == 0 else { return "-" }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
