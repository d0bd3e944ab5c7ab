import Addressing
import CLinux
import DNS
import Glibc
import Logging
import NameServer

extension NameServerBenchmark {
    /// The child: `serve PORT UPSTREAM`, `upstream PORT` or `echo PORT`, which end with a signal, or
    /// `ask PORT RATE SECONDS FILE`.
    static func be(_ arguments: [String]) throws {
        let numbers = arguments.dropFirst().prefix(3).compactMap { Int($0) }
        clinux_die_with_parent()
        switch (arguments.first, numbers.count) {
        case ("serve", 2): try serve(numbers[0], upstream: numbers[1])
        case ("upstream", 1): try serve(numbers[0], upstream: nil)
        case ("echo", 1): try echo(numbers[0])
        case ("ask", 3) where arguments.count == 5:
            print(try NameServerAsker(port: numbers[0], questions: arguments[4]).ask(rate: numbers[1], seconds: numbers[2]))
        default: throw NameServerStage.Trouble(description: "\(arguments)")
        }
    }

    /// The cluster's names, and those of the world outside as the upstream has them; or it is the upstream itself.
    private static func serve(_ port: Int, upstream: Int?) throws {
        clinux_few_heaps(2)
        let zone =
            upstream == nil ? try DNSBenchmark.makeZone(NameServerStage.outside, ttl: 3600) : try DNSBenchmark.makeZone()
        clinux_trim_memory()
        let now: @Sendable () -> Duration = { .nanoseconds(clinux_clock(CLOCK_MONOTONIC)) }
        let logger = Logger(label: "names")
        let forwarder = try upstream.map { upstream in
            let forwarder = Forwarder(
                ForwardingSettings(upstreams: [Upstream(SocketAddress(.v4(.loopback), UInt16(upstream)))]),
                memory: AnswerMemory(MemorySettings(byteLimit: 32 << 20)), now: now,
                random: { UInt64.random(in: .min ... .max) }, logger: logger)
            try forwarder.start()
            return forwarder
        }
        let settings = NameServerSettings(addresses: [.v4(.loopback)], port: UInt16(port), threads: 1, now: now)
        let server = DNSServer(settings, outside: forwarder, logger: logger)
        server.serve(ServedNames(zones: Zones([zone])))
        try server.start()
        while true { pause() }
    }

    /// The same system calls, and an answer that is the query with QR set.
    private static func echo(_ port: Int) throws {
        var place = clinux_place()
        place.port = UInt16(port)
        (place.address.0, place.address.3) = (127, 1)
        let socket = clinux_bound_socket(&place, 0)
        guard socket >= 0, let batch = clinux_batch_make(32, 2048, 1232) else {
            throw NameServerStage.Trouble(description: "no socket: errno \(errno)")
        }
        while true {
            let count = clinux_batch_receive(batch, socket, 1)
            guard count > 0 else { continue }
            for index in 0..<count {
                var (size, isCut) = (0, Int32(0))
                guard let bytes = clinux_batch_received(batch, index, &size, &isCut), let room = clinux_batch_room(batch),
                    size > 2
                else {
                    continue
                }
                memcpy(room, bytes, min(size, 1232))
                room[2] |= 0x80
                clinux_batch_answer(batch, index, min(size, 1232))
            }
            clinux_batch_send(batch, socket, 0)
        }
    }
}
