<?php

declare(strict_types=1);

namespace SocialChannel\Tests;

use PHPUnit\Framework\TestCase;
use SocialChannel\Host;
use SocialChannel\Model\JobStatus;
use SocialChannel\Model\Media;
use SocialChannel\Model\Post;
use SocialChannel\Tests\Support\Built;
use SocialChannel\Tests\Support\Folder;
use SocialChannel\Tests\Support\Program;
use SocialChannel\Tests\Support\Simulator;
use SocialChannel\Tests\Support\Stage;

/**
 * Everything in a database server, as of a platform that has one.
 */
final class DatabaseTest extends TestCase
{
    /** @return array<string, array{string}> */
    public function servers(): array
    {
        return ['PostgreSQL' => ['postgres-server'], 'MariaDB' => ['mariadb-server']];
    }

    /** @dataProvider servers */
    public function testEverythingIsKeptInADatabaseServer(string $name): void
    {
        $server = new Program([Built::program($name)]);
        $simulator = new Simulator();
        $folder = new Folder();
        $url = $server->document()['url'];
        $open = static fn (): Host => new Host([
            'library' => Built::library(),
            'data' => "$folder->path/data",
            'database' => $url,
            'key' => str_repeat('5c', 32),
            'policy' => $simulator->policy,
        ]);
        $host = $open();
        $host->loadProvider(Built::component('plugin_tiktok'));
        $host->putApp('demo', $simulator->settings, 'tiktok', Simulator::REDIRECT);
        $redirect = $host->connect('demo', Stage::OWNER);
        $channel = $host->completeConnect(Simulator::consent($redirect->url), Stage::OWNER);
        $post = new Post('video', text: 'Leek soup', visibility: 'PUBLIC_TO_EVERYONE');
        $job = $channel->publish($post, Media::file($folder->file('video.mp4', 4096)));
        self::assertSame(JobStatus::Published, $job->wait(120.0)->status);
        $host->close();
        // Another request, another day.
        $host = $open();
        self::assertSame(JobStatus::Published, $host->job($job->id)->status);
        self::assertSame([$channel->id], array_map(static fn ($found) => $found->id, $host->channels()));
        self::assertSame([], glob("$folder->path/data/*.sqlite"));
        $host->close();
    }
}
