<?php

declare(strict_types=1);

namespace SocialChannel\Tests;

use PHPUnit\Framework\TestCase;
use SocialChannel\Tests\Support\Built;
use SocialChannel\Tests\Support\Compiled;
use SocialChannel\Tests\Support\Folder;
use SocialChannel\Tests\Support\Program;
use SocialChannel\Tests\Support\Simulator;
use SocialChannel\Tests\Support\Snippets;
use SocialChannel\Tests\Support\WebServer;

/**
 * Runs every snippet of README.md unchanged and in order: the files that it names, on the command line and behind a web
 * server with sessions. Only the environment is replaced: the folder /var/lib/shop, the socket, and the network (see
 * tests/c/manuals/stand_in.c).
 */
final class SnippetsTest extends TestCase
{
    private const CLIENT = ['CLIENT_KEY' => 'shopkey', 'CLIENT_SECRET' => 'shopsecret-0001'];

    private Folder $folder;
    private Simulator $simulator;
    private Snippets $snippets;
    /** @var array<string, string> */
    private array $world;
    private string $page;

    protected function setUp(): void
    {
        $this->folder = new Folder();
        $this->snippets = new Snippets(dirname(__DIR__) . '/README.md');
        $client = implode(':', ['web', 'audited', ...array_values(self::CLIENT), 'https://shop.example/callback.php']);
        $this->simulator = new Simulator(['--app', $client]);
        $this->page = "{$this->folder->path}/shop";
        mkdir("$this->page/vendor", 0o755, true);
        $autoload = var_export(dirname(__DIR__) . '/autoload.php', true);
        file_put_contents("$this->page/vendor/autoload.php", "<?php require_once $autoload;");
        copy(Built::component('plugin_tiktok'), "$this->page/plugin_tiktok.wasm");
        rename($this->folder->file('hello.mp4', 6_000_000), "$this->page/hello.mp4");
        $this->world = self::CLIENT + [
            'SOCIAL_CHANNEL_LIBRARY' => Compiled::standIn($this->folder),
            'STAND_IN_LIBRARY' => Built::library(),
            'STAND_IN_POLICY' => (string) json_encode($this->simulator->policy),
            'STAND_IN_MAP' => "/var/lib/shop={$this->folder->path}/lib\n/run/shop={$this->folder->path}/run",
            'STAND_IN_WORK_MS' => '2000',
        ];
        mkdir("{$this->folder->path}/lib", 0o700);
        mkdir("{$this->folder->path}/run", 0o700);
    }

    /** @param array<string, string> $more */
    private function script(string $file, array $more = []): array
    {
        $flags = ['-d', 'ffi.enable=1', '-d', 'display_errors=stderr', '-d', 'error_log=', '-d', 'log_errors=0'];
        return Program::run([PHP_BINARY, ...$flags, "$this->page/$file"], $more + $this->world);
    }

    private function write(string $file, int $which = 0): void
    {
        file_put_contents("$this->page/$file", "<?php\n\n" . $this->snippets->file('php', $file, $which));
    }

    public function testFromTheFirstLineToAPublishedVideo(): void
    {
        foreach (['host.php', 'install.php', 'connect.php', 'callback.php', 'publish.php', 'worker.php', 'errors.php'] as $file) {
            $this->write($file);
        }
        self::assertSame([0, '', ''], $this->script('install.php'));

        $port = Program::freePort();
        $flags = ['-d', 'ffi.enable=1', '-d', 'display_errors=1', '-S', "127.0.0.1:$port", '-t', $this->page];
        $server = new Program([PHP_BINARY, ...$flags], $this->world);
        Program::awaitPort($port);
        $browser = curl_init();
        curl_setopt_array($browser, [CURLOPT_RETURNTRANSFER => true, CURLOPT_COOKIEFILE => '']);
        curl_setopt($browser, CURLOPT_URL, "http://127.0.0.1:$port/connect.php");
        self::assertSame('', curl_exec($browser));
        $network = (string) curl_getinfo($browser, CURLINFO_REDIRECT_URL);
        $back = Simulator::consent($network);
        self::assertStringStartsWith('https://shop.example/callback.php?', $back);
        curl_setopt($browser, CURLOPT_URL, "http://127.0.0.1:$port/callback.php?" . parse_url($back, PHP_URL_QUERY));
        self::assertSame('Demo Kitchen: 1204 followers', curl_exec($browser));
        $server->stop();

        [$code, $output, $said] = $this->script('publish.php');
        self::assertSame([0, ''], [$code, $said], $output);
        self::assertStringEndsWith("\r100 %", $output);
        self::assertSame([0, '', ''], $this->script('worker.php'));
        [$code, $output, $said] = $this->script('errors.php', []);
        self::assertSame([0, ''], [$code, $output]);
        self::assertStringContainsString('"kind":"not_found"', $said);

        $this->throughTheService();
    }

    /** The shell command starts the service; otherwise only the file that opens the host differs. */
    private function throughTheService(): void
    {
        mkdir("$this->page/bin");
        // The snippet's program, with the test's folders and an additional port.
        $lines = '#!/bin/sh' . "\n" . 'set -f; IFS="' . "\n" . '"' . "\n" . 'set -- $(printf "%s\n" "$@" | sed '
            . "-e 's#/var/lib/shop#{$this->folder->path}/lib#' -e 's#/run/shop#{$this->folder->path}/run#')\n"
            . 'exec ' . Built::program('social-channel') . ' --format json "$@" --listen 127.0.0.1:0' . "\n";
        file_put_contents("$this->page/bin/social-channel", $lines);
        chmod("$this->page/bin/social-channel", 0o755);
        $path = ['PATH' => "$this->page/bin:" . getenv('PATH')];
        $shell = $this->snippets->starting('sh', 'social-channel --data');
        $service = new Program(['sh', '-c', 'exec ' . $shell], $path + $this->world, "{$this->folder->path}/service.log");
        $listening = $service->document()['listening'];
        $flags = ['--data', "{$this->folder->path}/lib/social-channel", '--format', 'json', 'keys', 'create', 'snippets'];
        [, $key] = Program::run([Built::program('social-channel'), ...$flags]);
        $key = json_decode($key, true);
        $world = [
            // Also libcurl, so that its functions are loaded before those of PHP's extensions.
            'LD_PRELOAD' => $this->world['SOCIAL_CHANNEL_LIBRARY'] . ':libcurl.so.4',
            'STAND_IN_PORT' => (string) parse_url($listening[1], PHP_URL_PORT),
            'SOCIAL_CHANNEL_API_KEY' => $key['text'] ?? $key['key'],
        ];
        $ask = '$host = require __DIR__ . "/host.php"; echo $host->transport()->kind->value, " ", count($host->channels());';
        file_put_contents("$this->page/ask.php", "<?php $ask");
        foreach ([1, 2] as $which) {
            $this->write('host.php', $which);
            self::assertSame([0, 'http 1', ''], $this->script('ask.php', $world), "the host.php number $which");
        }
        $service->stop();
    }

    public function testTheStoryOfTheShellRunsAsItStands(): void
    {
        // `cargo` has already built everything; the rest is run by the shell.
        mkdir("$this->page/bin");
        file_put_contents("$this->page/bin/cargo", "#!/bin/sh\nexit 0\n");
        chmod("$this->page/bin/cargo", 0o755);
        $target = dirname(Built::program('tiktok-simulator'), 2);
        symlink($target, "$this->page/target");
        foreach (['examples', 'bindings'] as $name) {
            symlink(dirname(__DIR__, 3) . "/$name", "$this->page/$name");
        }
        $block = $this->snippets->starting('sh', 'cargo xtask guests', 'story.php');
        $script = "cd '$this->page'\ntrap 'kill %1' EXIT\nset -e\n" . $block;
        [$code, $output, $said] = Program::run(['bash', '-m', '-c', $script], ['PATH' => "$this->page/bin:" . getenv('PATH')]);
        self::assertSame(0, $code, $output . $said);
        self::assertMatchesRegularExpression('~\npublished  https://\S+/video/\d+~', $output);
    }

    /** Replaced is the package's path. The package needs no other, so Packagist is not asked. */
    public function testComposerInstallsThePackage(): void
    {
        mkdir("{$this->folder->path}/composer");
        file_put_contents("{$this->folder->path}/composer/config.json", '{"repositories": {"packagist.org": false}}');
        file_put_contents("$this->page/composer.json", '{}');
        $block = $this->snippets->starting('sh', 'composer config');
        $block = str_replace('/path/to/bindings/php', dirname(__DIR__), $block);
        unlink("$this->page/vendor/autoload.php");
        $world = [
            'COMPOSER_HOME' => "{$this->folder->path}/composer",
            'COMPOSER_ALLOW_SUPERUSER' => '1',
            'COMPOSER_DISABLE_NETWORK' => '1',
            'COMPOSER_NO_INTERACTION' => '1',
        ];

        [$code, $output, $said] = Program::run(['sh', '-ec', "cd '$this->page'\n$block"], $world);
        self::assertSame(0, $code, $output . $said);

        $this->write('host.php');
        file_put_contents("$this->page/ask.php", '<?php echo (require __DIR__ . "/host.php")->transport()->kind->value;');
        self::assertSame([0, 'ffi', ''], $this->script('ask.php'));
    }

    /** The only snippet of the repository's first page. Its namespace has a `header()` that is the person's browser. */
    public function testTheFirstPagePublishes(): void
    {
        foreach (['host.php', 'install.php'] as $file) {
            $this->write($file);
        }
        self::assertSame([0, '', ''], $this->script('install.php'));
        [$snippet] = (new Snippets(dirname(__DIR__, 3) . '/README.md'))->all('php');
        $browser = <<<'PHP'
            function header(string $line): void
            {
                $page = curl_init(substr($line, strlen('Location: ')));
                curl_setopt($page, CURLOPT_RETURNTRANSFER, true);
                curl_exec($page);
                $_SERVER['QUERY_STRING'] = (string) parse_url(curl_getinfo($page, CURLINFO_REDIRECT_URL), PHP_URL_QUERY);
            }

            PHP;
        $autoload = "require_once __DIR__ . '/vendor/autoload.php';";
        file_put_contents("$this->page/first.php", "<?php\n\nnamespace First;\n\n$autoload\n$browser$snippet");
        $this->world['STAND_IN_MAP'] .= "\n/var/media=$this->page";

        [$code, $output, $said] = $this->script('first.php');

        self::assertSame([0, ''], [$code, $said], $output);
        self::assertStringEndsWith("\r100 %", $output);
    }

    /** The web server's block in docs/service.md; replaced are the port and the folder of the certificate. */
    public function testNginxTakesTheBlockOfTheServicesPage(): void
    {
        $folder = $this->folder->path;
        $key = openssl_pkey_new(['private_key_type' => OPENSSL_KEYTYPE_EC, 'curve_name' => 'prime256v1']);
        $certificate = openssl_csr_sign(openssl_csr_new(['commonName' => 'social.example.com'], $key), null, $key, 1);
        openssl_x509_export_to_file($certificate, "$folder/social.example.com.pem");
        openssl_pkey_export_to_file($key, "$folder/social.example.com.key");
        [$block] = (new Snippets(dirname(__DIR__, 3) . '/docs/service.md'))->all('nginx');
        $port = Program::freePort();
        $block = str_replace(['/etc/ssl/', 'listen 443 '], ["$folder/", "listen 127.0.0.1:$port "], $block);
        file_put_contents("$folder/nginx.conf", "pid $folder/nginx.pid;\nevents {}\nhttp {\n$block}\n");

        [$code, , $said] = Program::run([WebServer::program('nginx'), '-t', '-e', 'stderr', '-c', "$folder/nginx.conf"]);

        self::assertSame(0, $code, $said);
        self::assertStringNotContainsString('[warn]', $said);
    }

    /** A new snippet that is not run is noticed. */
    public function testEverySnippetIsRun(): void
    {
        $run = [
            ...['host.php', 'host.php', 'host.php', 'install.php', 'connect.php', 'callback.php', 'publish.php'],
            ...['worker.php', 'errors.php'],
            // LaravelTest.
            ...['routes/web.php', 'app/Console/Kernel.php, in schedule()'],
        ];
        self::assertEqualsCanonicalizing($run, $this->snippets->files('php'));
        $shell = array_map(static fn (string $text): string => (string) strtok($text, "\n"), $this->snippets->all('sh'));
        self::assertSame([
            'cargo xtask guests',
            'composer config repositories.social-channel path /path/to/bindings/php',
            'social-channel --data /var/lib/shop/social-channel serve --listen unix:/run/shop/social-channel.sock',
            // The start of the running program.
            'cargo xtask guests',
        ], $shell);
        // WebServerTest.
        self::assertCount(1, $this->snippets->all('ini'));
        self::assertSame(['ini', 'php', 'sh'], $this->snippets->languages());
    }
}
