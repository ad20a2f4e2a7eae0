<?php

declare(strict_types=1);

namespace SocialChannel\Tests\Support;

/**
 * A temporary folder that is removed after the test.
 */
final class Folder
{
    public readonly string $path;

    public function __construct()
    {
        $this->path = sys_get_temp_dir() . '/social-channel-php-' . bin2hex(random_bytes(6));
        mkdir($this->path, 0o755);
    }

    public function __destruct()
    {
        Program::run(['rm', '-rf', $this->path]);
    }

    public function file(string $name, int $size): string
    {
        $path = "$this->path/$name";
        $file = fopen($path, 'wb');
        // What a video begins with that is whole by its index, whatever follows.
        $head = (string) file_get_contents(dirname(__DIR__, 4) . '/examples/head.mp4');
        fwrite($file, $head);
        for ($left = $size - strlen($head); $left > 0; $left -= 1 << 20) {
            fwrite($file, random_bytes(min($left, 1 << 20)));
        }
        fclose($file);
        return $path;
    }
}
