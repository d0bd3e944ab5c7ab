import Glibc
import Netlink

/// What a large cluster costs the server: memory with 5,000 services and their 25,000 endpoints, and a list of 10,000 pods.
extension APIServerBenchmark {
    static func cluster(_ path: String, _ socket: IsolatedSocket) async throws {
        let server = try ServerProcess(path, socket.descriptor)
        defer { server.kill() }
        let rate = try await create(5_000, socket, "/api/v1/namespaces/default/services", service)
        let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
        _ = try await create(5_000, socket, slices, slice)
        print("services with their addresses and ports, 8 connections: \(whole(rate)) creates/s")
        print("memory with 5,000 services, 25,000 endpoints: \(try server.memory())")
        for path in ["/api/v1/services", "/apis/discovery.k8s.io/v1/endpointslices"] { try list(path, socket) }
        print("memory after twenty lists of all of them: \(try server.memory())")
        _ = try await create(10_000, socket, "/api/v1/namespaces/default/pods", pod)
        try list("/api/v1/pods", socket)
        try list("/api/v1/pods?labelSelector=app", socket)
        print("memory after twenty lists of 10,000 pods in two ways: \(try server.memory())")
    }

    /// - Returns: creations a second.
    static func create(
        _ count: Int, _ socket: IsolatedSocket, _ path: String, _ body: @escaping @Sendable (Int) -> String
    ) async throws -> Double {
        let clock = ContinuousClock()
        let start = clock.now
        _ = try await inParallel(8) { connection in
            var client = try PlainConnection(socket.namespace, port: socket.port)
            defer { client.close() }
            for number in stride(from: connection, to: count, by: 8) {
                guard try client.ask("POST", path, body(number)).status == 201 else { throw PlainConnection.Ended() }
            }
        }
        return Double(count) / seconds(clock.now - start)
    }

    private static func list(_ path: String, _ socket: IsolatedSocket) throws {
        var client = try PlainConnection(socket.namespace, port: socket.port)
        defer { client.close() }
        var (times, length): ([Duration], Int) = ([], 0)
        for _ in 0..<20 { times.append(try ContinuousClock().measure { length = try client.ask("GET", path).length }) }
        print("list \(path), \(length / 1000) kB: \(spread(times))")
    }

    private static func service(_ number: Int) -> String {
        #"{"metadata":{"name":"s\#(number)","labels":{"app":"a\#(number)"}},"spec":{"selector":{"app":"a\#(number)"},"#
            + #""ports":[{"name":"http","port":80,"targetPort":8080},{"name":"metrics","port":9090}]}}"#
    }

    private static func slice(_ number: Int) -> String {
        let endpoints = (0..<5).map { part in
            let pod = number * 5 + part
            return
                #"{"addresses":["10.\#(pod >> 16).\#(pod >> 8 & 255).\#(pod & 255)"],"conditions":{"ready":true,"serving":true,"#
                + #""terminating":false},"nodeName":"n\#(pod % 100)","targetRef":{"kind":"Pod","name":"p\#(pod)","#
                + #""namespace":"default","uid":"00000000-0000-4000-8000-0000000\#(10_000 + pod)"}}"#
        }
        return #"{"metadata":{"name":"s\#(number)-abcde","labels":{"kubernetes.io/service-name":"s\#(number)"}},"#
            + #""addressType":"IPv4","endpoints":[\#(endpoints.joined(separator: ","))],"#
            + #""ports":[{"name":"http","port":8080},{"name":"metrics","port":9090}]}"#
    }

    private static func pod(_ number: Int) -> String {
        #"{"metadata":{"name":"p\#(number)","labels":{"app":"a\#(number / 5)"}},"spec":{"nodeName":"n\#(number % 100)","#
            + #""containers":[{"name":"c","image":"example.org/web:1","ports":[{"containerPort":8080}]}]}}"#
    }
}

extension ServerProcess {
    /// What is resident now, and was at most: `VmRSS` and `VmHWM` (proc(5)).
    func memory() throws -> String {
        let file = fopen("/proc/\(id)/status", "r")
        guard let file else { throw KernelError(Errno(rawValue: errno), "read the server's status") }
        defer { fclose(file) }
        var (line, size): (UnsafeMutablePointer<CChar>?, Int) = (nil, 0)
        defer { free(line) }
        var values: [String: Int] = [:]
        while getline(&line, &size, file) > 0, let line {
            let words = String(cString: line).split { $0 == " " || $0 == "\t" || $0 == "\n" }
            if words.count >= 2, let number = Int(words[1]) { values[String(words[0])] = number }
        }
        return "\((values["VmRSS:"] ?? 0) / 1024) MiB, at most \((values["VmHWM:"] ?? 0) / 1024) MiB"
    }
}
