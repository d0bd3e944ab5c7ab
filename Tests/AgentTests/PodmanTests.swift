import Addressing
import Glibc
import HostNetwork
import HostNetworkKernel
import Netlink
import Plan
import Testing

@testable import Agent

extension KernelTests {
    /// Debian's podman calls tulle-cni as a container runtime does. It runs beside the node's agent in the node's network namespace, with
    /// mounts and a store of its own, so that nothing of the machine's is touched.
    @Suite("podman", .timeLimit(.minutes(5)))
    struct PodmanTests {
        private let node: TestNode
        private let folder: String

        init() throws {
            node = try TestNode()
            folder = node.directory.path + "/podman"
            for name in ["", "/bin", "/net.d", "/root", "/run", "/tmp"] { mkdir(folder + name, 0o755) }
            let installation = PluginInstallation(
                binaries: folder + "/bin", configurations: folder + "/net.d", socket: "\(node.directory.path)/state/cni.sock",
                queueDirectory: "\(node.directory.path)/state/deletions")
            try installation.installBinary(from: Program.product("tulle-cni"))
            try installation.installConfiguration()
            try node.directory.write(
                """
                [network]
                network_backend = "cni"
                cni_plugin_dirs = ["\(folder)/bin"]
                network_config_dir = "\(folder)/net.d"
                [engine]
                cgroup_manager = "cgroupfs"
                events_logger = "none"
                runtime = "crun"
                tmp_dir = "\(folder)/tmp"
                [containers]
                cgroups = "disabled"
                log_driver = "k8s-file"
                """, to: "podman/containers.conf")
            for name in ["web", "asker"] { try makeRoot(name) }
        }

        /// A root file system of one program, which is its own shell, server and client.
        private func makeRoot(_ name: String) throws {
            let root = "\(folder)/\(name)"
            for part in ["", "/bin", "/etc", "/proc", "/sys", "/dev", "/run", "/tmp", "/www"] { mkdir(root + part, 0o755) }
            try #require(try Program.run(["cp", "/usr/bin/busybox", root + "/bin/busybox"]).status == 0)
            for word in ["sh", "httpd", "nc", "ip", "sleep"] { symlink("busybox", "\(root)/bin/\(word)") }
            try node.directory.write("\(name) speaks\n", to: "podman/\(name)/www/name")
            try node.directory.write("GET /name HTTP/1.0\r\n\r\n", to: "podman/\(name)/tmp/question")
        }

        /// The mounts are of one shell and its children: what a container needs of them goes with the last of these.
        private func shell(_ script: String) throws -> Program.Outcome {
            let setup = """
                exec 2>&1
                set -e
                mount -t tmpfs none /run
                mkdir -p /run/netns /var/lib/cni
                mount -t tmpfs none /var/lib/cni
                # crun refuses a machine with cgroups of both versions, also where it is to use none.
                mount -t tmpfs none /sys/fs/cgroup
                export CONTAINERS_CONF=\(folder)/containers.conf
                podman() {
                    /usr/bin/podman --root \(folder)/root --runroot \(folder)/run --storage-driver vfs --cgroup-manager cgroupfs "$@"
                }
                start() {
                    name=$1; shift
                    podman run --detach --name "$name" --network tulle --security-opt seccomp=unconfined "$@"
                }
                \(script)
                """
            let words = [
                "nsenter", "--net=/proc/\(node.holder)/ns/net", "--", "unshare", "--mount", "--propagation", "private", "--pid",
                "--fork",
                "--mount-proc", "--kill-child", "bash", "-c", setup,
            ]
            return try Program(words, environment: ["HOME": folder]).finish()
        }

        @Test(
            "containers of podman talk through us",
            .enabled(
                if: access("/usr/bin/podman", X_OK) == 0 && access("/usr/bin/busybox", X_OK) == 0
                    || getenv("REQUIRE_KERNEL") != nil,
                "needs podman and busybox-static"),
            arguments: [PodMode.routed, .bridge])
        func talk(_ mode: PodMode) throws {
            try node.start("--pod-mode", mode.rawValue)
            let state = "\(node.directory.path)/state/attachments"
            let outcome = try shell(
                """
                start web --publish 8080:80 --rootfs \(folder)/web /bin/httpd -f -p 80 -h /www
                start asker --rootfs \(folder)/asker /bin/sleep 1000
                # What a command says does not come back to a detached podman: it is read from the file system.
                podman exec asker sh -c 'ip -o addr show dev eth0 > /tmp/answer'
                cat \(folder)/asker/tmp/answer
                web=$(podman inspect --format '{{.NetworkSettings.Networks.tulle.IPAddress}}' web)
                six=$(podman inspect --format '{{.NetworkSettings.Networks.tulle.GlobalIPv6Address}}' web)
                for place in "$web 80" "$six 80" "192.0.2.1 8080" "2001:db8::1 8080"; do
                    podman exec asker sh -c "nc -w 20 $place < /tmp/question > /tmp/answer"
                    echo "from $place: $(tail -n 1 \(folder)/asker/tmp/answer)"
                done
                echo "attached: $(ls \(state) | wc -l)"
                podman rm --force --time 0 web asker
                echo "left: $(ls \(state) | wc -l)"
                """)
            let lines = outcome.output.split(separator: "\n").map(String.init)
            let words = "\(outcome)\n\(node.log.suffix(2000))"
            #expect(outcome.status == 0, "\(words)")
            #expect(lines.filter { $0.hasPrefix("from ") && $0.hasSuffix(": web speaks") }.count == 4, "\(words)")
            #expect(lines.contains("attached: 2") && lines.contains("left: 0"), "\(words)")
            #expect(lines.contains { $0.contains("10.244.1.\(mode == .routed ? "2/32" : "3/24")") }, "\(words)")
            #expect(try node.host.observe(Interest([])).links.filter { PacketPath.isPodLink($0.name) } == [])
        }
    }
}
