import Addressing
import CLinux
import DNS
import Glibc
import Logging
import NameServer

extension NameServerBenchmark {
    /// The child: `serve PORT`, `churn PORT` or `echo PORT`. It ends with a signal.
    static func be(_ arguments: [String]) throws {
        guard arguments.count == 2, let port = UInt16(arguments[1]) else {
            throw NameServerStage.Trouble(description: "\(arguments)")
        }
        clinux_die_with_parent()
        switch arguments[0] {
        case "serve": try serve(port, changes: false)
        case "churn": try serve(port, changes: true)
        default: try echo(port)
        }
    }

    private static func serve(_ port: UInt16, changes: Bool) throws {
        clinux_few_heaps(2)
        var zone = try DNSBenchmark.makeZone()
        clinux_trim_memory()
        let settings = NameServerSettings(
            addresses: [.v4(.loopback)], port: port, threads: 1, now: { .nanoseconds(clinux_clock(CLOCK_MONOTONIC)) })
        func start(_ zone: Zone) throws -> DNSServer {
            let server = DNSServer(settings, outside: nil, logger: Logger(label: "names"))
            server.serve(ServedNames(zones: Zones([zone])))
            try server.start()
            return server
        }
        let server = try start(zone)
        guard changes else { while true { pause() } }
        var round = 0
        while true {
            round += 1
            usleep(2000)
            let number = round * 7919 % DNSBenchmark.services
            let endpoints = DNSBenchmark.endpoints + round / DNSBenchmark.services % 2
            zone.replace("default/service-\(number)", with: try DNSBenchmark.content(number, endpoints: endpoints))
            let changed = zone
            server.change { $0.zones.set(changed) }
            // Everything anew, as after another configuration: other zones, another limit.
            if round % 2500 == 0 {
                server.serve(ServedNames(zones: Zones([changed]), responseLimit: ResponseLimit(exempt: [IPPrefix.all(.v4)])))
            }
        }
    }

    /// The same system calls, and an answer that is the query with QR set.
    private static func echo(_ port: UInt16) throws {
        var place = clinux_place()
        place.port = port
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
