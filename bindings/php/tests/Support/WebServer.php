<?php

declare(strict_types=1);

namespace SocialChannel\Tests\Support;

/**
 * A web server that runs `tests/web/index.php`: PHP's own, or PHP-FPM behind nginx.
 */
final class WebServer
{
    public readonly string $origin;
    /** @var list<Program> in the order in which they end */
    private array $programs = [];

    private function __construct(private readonly Folder $folder, int $port)
    {
        $this->origin = "http://127.0.0.1:$port";
    }

    /**
     * @param array<string, mixed> $config of the host
     * @param list<string> $flags of PHP
     */
    public static function builtIn(Folder $folder, array $config, array $flags = []): self
    {
        $port = Program::freePort();
        $server = new self($folder, $port);
        $script = dirname(__DIR__) . '/web/index.php';
        $environment = ['CONFIG' => self::write($folder, $config)];
        $server->programs[] = new Program([PHP_BINARY, ...$flags, '-S', "127.0.0.1:$port", $script], $environment);
        Program::awaitPort($port);
        return $server;
    }

    /**
     * @param array<string, mixed> $config of the host
     * @param array<string, string> $settings of PHP
     */
    public static function fpm(Folder $folder, array $config, array $settings = []): self
    {
        $port = Program::freePort();
        $server = new self($folder, $port);
        $config = self::write($folder, $config);
        $values = '';
        foreach ($settings as $name => $value) {
            $values .= "php_admin_value[$name] = $value\n";
        }
        $root = function_exists('posix_geteuid') && posix_geteuid() === 0;
        // As root, FPM requires a user to switch to; the tests keep their user.
        $user = $root ? "user = root\ngroup = root\nlisten.owner = root\nlisten.mode = 0666\n" : '';
        file_put_contents("$folder->path/fpm.conf", <<<CONF
            [global]
            error_log = $folder->path/fpm.log
            daemonize = no
            [www]
            {$user}listen = $folder->path/fpm.sock
            pm = static
            pm.max_children = 2
            catch_workers_output = yes
            env[CONFIG] = $config
            $values
            CONF);
        $flags = ['-F', '-y', "$folder->path/fpm.conf", ...($root ? ['-R'] : [])];
        // Preloading is read before the pool's settings.
        foreach ($settings as $name => $value) {
            array_push($flags, '-d', "$name=$value");
        }
        $fpm = new Program([self::program('php-fpm' . PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION), ...$flags]);
        $script = dirname(__DIR__) . '/web/index.php';
        file_put_contents("$folder->path/nginx.conf", <<<CONF
            daemon off;
            pid $folder->path/nginx.pid;
            error_log $folder->path/nginx.log;
            worker_processes 1;
            events {}
            http {
                access_log off;
                client_body_temp_path $folder->path/body;
                fastcgi_temp_path $folder->path/fastcgi;
                proxy_temp_path $folder->path/proxy;
                scgi_temp_path $folder->path/scgi;
                uwsgi_temp_path $folder->path/uwsgi;
                server {
                    listen 127.0.0.1:$port;
                    location / {
                        fastcgi_pass unix:$folder->path/fpm.sock;
                        fastcgi_read_timeout 300;
                        fastcgi_param SCRIPT_FILENAME $script;
                        fastcgi_param REQUEST_METHOD \$request_method;
                        fastcgi_param REQUEST_URI \$request_uri;
                        fastcgi_param QUERY_STRING \$query_string;
                        fastcgi_param CONTENT_TYPE \$content_type;
                        fastcgi_param CONTENT_LENGTH \$content_length;
                        fastcgi_param SERVER_NAME \$server_name;
                    }
                }
            }
            CONF);
        $nginx = ['-c', "$folder->path/nginx.conf", '-e', "$folder->path/nginx.log", ...($root ? ['-g', 'user root;'] : [])];
        array_push($server->programs, new Program([self::program('nginx'), ...$nginx]), $fpm);
        $end = microtime(true) + 30;
        while (!file_exists("$folder->path/fpm.sock") && microtime(true) < $end) {
            usleep(20_000);
        }
        Program::awaitPort($port);
        return $server;
    }

    public function stop(): void
    {
        foreach ($this->programs as $program) {
            $program->stop();
        }
    }

    /**
     * @param array<string, string> $query
     *
     * @return array<mixed>
     */
    public function get(string $path, array $query = []): array
    {
        $context = stream_context_create(['http' => ['ignore_errors' => true, 'timeout' => 300]]);
        $url = "$this->origin$path" . ($query === [] ? '' : '?' . http_build_query($query));
        $text = (string) file_get_contents($url, false, $context);
        return json_decode($text, true) ?? throw new \RuntimeException("$path: $text\n" . $this->logs());
    }

    /** The servers' output. */
    public function logs(): string
    {
        $files = ["{$this->folder->path}/fpm.log", "{$this->folder->path}/nginx.log"];
        return implode("\n", array_map('file_get_contents', array_filter($files, 'is_file')));
    }

    public static function program(string $name): string
    {
        foreach (['/usr/sbin', '/usr/bin', '/usr/local/sbin', '/usr/local/bin'] as $folder) {
            if (is_executable("$folder/$name")) {
                return "$folder/$name";
            }
        }
        throw new \RuntimeException("$name is not installed: run-tests.sh installs it");
    }

    /** @param array<string, mixed> $config */
    private static function write(Folder $folder, array $config): string
    {
        $path = "$folder->path/config-" . bin2hex(random_bytes(4)) . '.json';
        file_put_contents($path, json_encode($config, JSON_THROW_ON_ERROR));
        return $path;
    }
}
