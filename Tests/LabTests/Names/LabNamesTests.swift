import Glibc
import KubeAPI
import Testing

@testable import Lab

@Suite("names in a lab", .tags(.kernel), .enabled(if: kernelIsThere), .serialized, .timeLimit(.minutes(5)))
struct LabNamesTests {
    @Test(
        "every resolver in a pod finds the same: glibc's, musl's, dig and kdig",
        .enabled(if: LabKubectl.isThere || getenv("REQUIRE_KERNEL") != nil, "no kubectl from 1.30 on is installed"))
    func resolvers() throws {
        let bench = try LabBench()
        let programs = try Self.programs(in: bench)
        try bench.up("--nodes", "2", "--dns", "2", "--pods", "2")
        try Self.apply(Self.objects, bench)
        // Two echo pods, two name servers, two pods of the StatefulSet.
        try bench.untilReady(pods: 6)
        let pod = try #require(try bench.pods().first { $0.hasPrefix("echo-") })
        func says(_ words: [String]) throws -> [String] {
            let outcome = try bench.tulle(["exec", pod, "--"] + words)
            return outcome.lines.sorted()
        }
        // The names of pods follow their readiness by a moment.
        try bench.eventually("the pods of db have names") { _ in
            (try? says(["dig", "+short", "db-1.db.default.svc.cluster.local"]))?.count == 1
        }
        // Each node answers itself; and where it does not, the cluster's servers say the same.
        for isLocal in [true, false] {
            if !isLocal { try Self.kubectl(Self.withoutDocument, bench) }
            try bench.eventually("nodes answer themselves: \(isLocal)") { status in
                let nodes = status["nodes"]?.array ?? []
                return nodes.count == 2 && nodes.allSatisfy { ($0["names"]?.array?.isEmpty == false) == isLocal }
            }
            try Self.agree(programs, says)
            // Nobody has these: not in the cluster, and a lab asks nobody outside.
            for name in ["nobody.default.svc.cluster.local", "www.example.org"] {
                #expect(try bench.tulle(["exec", pod, "--", "getent", "ahosts", name]).status == 2, "\(name)")
                for program in programs { #expect(try bench.tulle(["exec", pod, "--", program, name]).status == 2) }
            }
        }
        try bench.downToNothing()
    }

    /// All of them find the same addresses of each name.
    private static func agree(_ programs: [String], _ says: ([String]) throws -> [String]) throws {
        for (name, whole) in names {
            var answers: [String: Set<String>] = [:]
            for program in programs { answers[program] = Set(try says([program, name])) }
            answers["getent"] = Set(
                try says(["getent", "ahosts", name]).compactMap { $0.split(separator: " ").first.map(String.init) })
            for asker in ["dig", "kdig"] {
                answers[asker] = Set(
                    try ["A", "AAAA"].flatMap { try says([asker, "+short", whole, $0]) }.filter { !$0.hasSuffix(".") })
            }
            let wanted = try #require(answers["dig"])
            #expect(!wanted.isEmpty && answers.values.allSatisfy { $0 == wanted }, "\(name): \(answers)")
        }
    }

    /// A node without the document leaves names to the cluster's servers, which keep what they have read.
    private static let withoutDocument = [
        "--namespace", "kube-system", "patch", "configmap", "kube-dns", "--type", "json", "--patch",
        #"[{"op": "remove", "path": "/data/names.yaml"}]"#,
    ]

    /// As a program writes it, and as a whole.
    private static let names = [
        ("kubernetes", "kubernetes.default.svc.cluster.local"),
        ("kube-dns.kube-system", "kube-dns.kube-system.svc.cluster.local"),
        ("db", "db.default.svc.cluster.local"), ("db-0.db", "db-0.db.default.svc.cluster.local"),
        ("db-1.db.default.svc.cluster.local", "db-1.db.default.svc.cluster.local"),
        ("alias", "alias.default.svc.cluster.local"),
    ]

    private static let objects = """
        apiVersion: v1
        kind: Service
        metadata: {name: db}
        spec: {clusterIP: None, selector: {app: db}, ipFamilyPolicy: PreferDualStack, ports: [{name: sql, port: 5432}]}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: alias}
        spec: {type: ExternalName, externalName: kubernetes.default.svc.cluster.local}
        ---
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: db}
        spec:
          replicas: 2
          serviceName: db
          selector: {matchLabels: {app: db}}
          template:
            metadata: {labels: {app: db}}
            spec: {containers: [{name: main, image: echo, ports: [{containerPort: 5432}]}]}
        """

    private static func apply(_ objects: String, _ bench: LabBench) throws {
        let file = bench.scratch.path + "/objects.yaml"
        try Files.write(objects.utf8, to: file)
        try kubectl(["apply", "-f", file], bench)
    }

    private static func kubectl(_ words: [String], _ bench: LabBench) throws {
        let outcome = try bench.run(
            [try #require(LabKubectl.path)] + words,
            environment: ["KUBECONFIG": bench.lab.kubeconfig, "HOME": bench.scratch.path])
        try #require(outcome.status == 0, "\(outcome.error)")
    }

    private static let lookup = """
        // Prints the addresses that this program's C library finds for a name, one a line, or why there are none.
        #include <netdb.h>
        #include <stdio.h>
        #include <string.h>
        #include <sys/socket.h>

        int main(int count, char **words) {
            struct addrinfo wanted = {0}, *found;
            wanted.ai_socktype = SOCK_STREAM;
            int failure = count == 2 ? getaddrinfo(words[1], 0, &wanted, &found) : EAI_NONAME;
            if (failure) return printf("%s\\n", gai_strerror(failure)), 2;
            for (struct addrinfo *each = found; each; each = each->ai_next) {
                char text[NI_MAXHOST];
                if (!getnameinfo(each->ai_addr, each->ai_addrlen, text, sizeof text, 0, 0, NI_NUMERICHOST)) puts(text);
            }
            return 0;
        }
        """

    /// The same program with both C libraries.
    private static func programs(in bench: LabBench) throws -> [String] {
        let source = bench.scratch.path + "/lookup.c"
        try Files.write(lookup.utf8, to: source)
        return try [("musl-gcc", ["-static"]), ("cc", [])].map { compiler, options in
            let program = bench.scratch.path + "/lookup-\(compiler)"
            let outcome = try bench.run(["/usr/bin/env", compiler] + options + ["-o", program, source])
            try #require(outcome.status == 0, "\(compiler), which scripts/prepare installs: \(outcome.error)")
            return program
        }
    }
}

extension LabBench {
    /// The names of the pods in `default`.
    fileprivate func pods() throws -> [String] {
        let kubectl = try #require(LabKubectl.path)
        return try run(
            [kubectl, "get", "pods", "-o", "jsonpath={range .items[*]}{.metadata.name}{\"\\n\"}{end}"],
            environment: ["KUBECONFIG": lab.kubeconfig, "HOME": scratch.path]
        ).lines
    }
}
