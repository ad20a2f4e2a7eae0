<?php

declare(strict_types=1);

namespace SocialChannel\Tests\Support;

use SocialChannel\Channel;
use SocialChannel\Host;
use SocialChannel\TransportKind;

/**
 * A host with a simulator, over one of the two transports.
 */
final class Stage
{
    public const OWNER = 'browser-1';

    public readonly Folder $folder;
    public readonly ?Service $service;
    public readonly Host $host;

    /** @param array<string, mixed> $policy */
    public function __construct(public readonly TransportKind $kind, public readonly ?Simulator $simulator, array $policy = [])
    {
        $policy += $simulator?->policy ?? [];
        $this->folder = new Folder();
        $this->service = $kind === TransportKind::Http ? new Service($this->folder->path, $policy) : null;
        $this->host = new Host($this->service === null ? [
            'library' => Built::library(),
            'data' => "{$this->folder->path}/data",
        ] + ($policy === [] ? [] : ['policy' => $policy]) : ['service' => $this->service->socket]);
    }

    public function app(): void
    {
        $this->host->loadProvider(Built::component('plugin_tiktok'));
        $this->host->putApp('demo', $this->simulator->settings, 'tiktok', Simulator::REDIRECT);
    }

    public function connect(?Host $host = null): Channel
    {
        $host ??= $this->host;
        $redirect = $host->connect('demo', self::OWNER);
        return $host->completeConnect(Simulator::consent($redirect->url), self::OWNER);
    }
}
