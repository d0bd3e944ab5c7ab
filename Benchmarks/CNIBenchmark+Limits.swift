import CNI
import Glibc
import Netlink

/// How well limits hold: a TCP stream of some seconds by iperf3, to a pod and from it, over IPv4. What is limited are frames; what a
/// stream carries is some 5 % less, for its headers.
extension CNIScene {
    func limits(_ rates: [Int]) throws {
        guard access("/usr/bin/iperf3", X_OK) == 0 else { return print(" limits: iperf3 is not here") }
        for megabits in rates {
            let pod = try NetworkNamespace.new()
            let path = "/proc/\(getpid())/fd/\(pod.descriptor.rawValue)"
            let rate = megabits * 1_000_000
            let asked = #","runtimeConfig":{"bandwidth":{"ingressRate":\#(rate),"egressRate":\#(rate)}}"#
            let outcome = try call("ADD", "limit\(megabits)", path, extra: asked).run()
            let answer = try AttachmentResult(json: SmallJSON(reading: Array(outcome.output.utf8)))
            let address = String(answer.ips.first?.address.prefix { $0 != "/" } ?? "")
            var figures: [Double] = []
            for way in [[], ["-R"]] {
                var server = try Call(["/usr/bin/iperf3", "-s", "-1", "--forceflush"]).spawn(in: pod)
                while !String(decoding: server.text, as: UTF8.self).contains("listening"), !server.drain() {}
                let said = try Call(["/usr/bin/iperf3", "-c", address, "-t", "4", "-J"] + way).run(in: node).output
                _ = server.wait()
                let sum = try SmallJSON(reading: Array(said.utf8))["end"]?["sum_received"]
                guard case .number(let text)? = sum?["bits_per_second"], let bits = Double(text) else {
                    throw Trouble(description: "iperf3: \(said.prefix(300))")
                }
                figures.append((bits / 10_000).rounded() / 100)
            }
            let holds = figures.allSatisfy { (0.9...1.1).contains($0 / Double(megabits)) }
            print(" \(megabits) Mbit/s: to the pod \(figures[0]), from it \(figures[1]); within 10 %: \(holds ? "yes" : "NO")")
            _ = try call("DEL", "limit\(megabits)", path, extra: "").run()
        }
    }
}
